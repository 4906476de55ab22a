/**
 * The grammar of `mdl.ebnf`, rule by rule, for Chevrotain.
 *
 * Takes tokens with notes (`structure.ts`); gives a concrete syntax tree. Each rule has the name it has in the written
 * grammar, and a test holds the two together. What a rule cannot say with one token of look-ahead is a gate.
 */

import { type IParserConfig, type IToken, type TokenType } from "chevrotain"
import { SECTION_ROLES } from "./ast.js"
import { isName } from "./beginnings.js"
import { RecoveringParser, type Rule } from "./recovery.js"
import { noteOf } from "./structure.js"
import * as t from "./tokens.js"

const ROLES: ReadonlySet<string> = new Set(SECTION_ROLES)
const ITEM_WORDS = new Set<TokenType>([t.Block, t.Model, t.Ablation])
const CLOSERS = new Set<TokenType>([t.RightParen, t.RightSquare, t.RightCurly])

export class MdlParser extends RecoveringParser {
  constructor(config: IParserConfig = {}) {
    super({ nodeLocationTracking: "onlyOffset", ...config })
    this.performSelfAnalysis()
  }

  // ---------------------------------------------------------------------------------------------------------- items

  readonly file: Rule = this.RULE("file", () => {
    this.MANY(() => this.SUBRULE(this.item))
  })

  private readonly item: Rule = this.RULE("item", () => {
    this.OR([
      { ALT: () => this.SUBRULE(this.import) },
      { ALT: () => this.SUBRULE(this.block) },
      { ALT: () => this.SUBRULE(this.function) },
      { ALT: () => this.SUBRULE(this.model) },
      { ALT: () => this.SUBRULE(this.ablation) },
    ])
  })

  private readonly import: Rule = this.RULE("import", () => {
    this.CONSUME(t.Import)
    this.CONSUME(t.LeftCurly)
    this.SUBRULE(this.imported)
    this.MANY({
      MAX_LOOKAHEAD: 1,
      GATE: () => this.anotherFollows(),
      DEF: () => {
        this.CONSUME(t.Comma)
        this.SUBRULE2(this.imported)
      },
    })
    this.OPTION(() => this.CONSUME2(t.Comma))
    this.CONSUME(t.RightCurly)
    this.CONSUME(t.From)
    this.CONSUME(t.StringLiteral)
  })

  private readonly imported: Rule = this.RULE("imported", () => {
    this.CONSUME(t.Name)
    this.OPTION(() => {
      this.CONSUME(t.As)
      this.CONSUME2(t.Name, { LABEL: "alias" })
    })
  })

  private readonly block: Rule = this.RULE("block", () => {
    this.CONSUME(t.Block)
    this.CONSUME(t.Name)
    this.SUBRULE(this.parameters)
    this.OPTION(() => this.SUBRULE2(this.parameters))
    this.OPTION2(() => {
      this.CONSUME(t.Arrow)
      this.SUBRULE(this.type)
    })
    this.SUBRULE(this.body)
  })

  private readonly function: Rule = this.RULE("function", () => {
    this.CONSUME(t.Fn)
    this.CONSUME(t.Name)
    this.SUBRULE(this.parameters)
    this.OPTION(() => {
      this.CONSUME(t.Arrow)
      this.SUBRULE(this.type)
    })
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.Equal)
          this.SUBRULE(this.expression)
        },
      },
      { ALT: () => this.SUBRULE(this.body) },
    ])
  })

  private readonly model: Rule = this.RULE("model", () => {
    this.CONSUME(t.Model)
    this.CONSUME(t.Name)
    this.OPTION(() => this.SUBRULE(this.parameters))
    this.CONSUME(t.LeftCurly)
    this.MANY({ MAX_LOOKAHEAD: 1, GATE: () => this.memberFollows(), DEF: () => this.SUBRULE(this.member) })
    this.CONSUME(t.RightCurly)
  })

  private readonly ablation: Rule = this.RULE("ablation", () => {
    this.CONSUME(t.Ablation)
    this.CONSUME(t.Name)
    this.CONSUME(t.Of)
    this.CONSUME2(t.Name, { LABEL: "base" })
    this.CONSUME(t.LeftCurly)
    this.MANY(() => this.SUBRULE(this.change))
    this.CONSUME(t.RightCurly)
  })

  private readonly parameters: Rule = this.RULE("parameters", () => {
    this.CONSUME(t.LeftParen)
    this.OPTION({
      GATE: () => this.LA(1).tokenType !== t.RightParen,
      DEF: () => {
        this.SUBRULE(this.parameter)
        this.MANY({
          MAX_LOOKAHEAD: 1,
          GATE: () => this.anotherFollows(),
          DEF: () => {
            this.CONSUME(t.Comma)
            this.SUBRULE2(this.parameter)
          },
        })
        this.OPTION2(() => this.CONSUME2(t.Comma))
      },
    })
    this.CONSUME(t.RightParen)
  })

  private readonly parameter: Rule = this.RULE("parameter", () => {
    // Reserved words are taken too, and refused by the builder, so that the rest of the list is read.
    this.CONSUME(t.Word, { LABEL: "NAME" })
    this.OPTION(() => {
      this.CONSUME(t.Colon)
      this.SUBRULE(this.type)
    })
    this.OPTION2(() => {
      this.CONSUME(t.Equal)
      this.SUBRULE(this.expression)
    })
  })

  private readonly body: Rule = this.RULE("body", () => {
    this.CONSUME(t.LeftCurly)
    this.MANY(() => this.SUBRULE(this.statement))
    this.CONSUME(t.RightCurly)
  })

  // -------------------------------------------------------------------------------------------------------- members

  private readonly member: Rule = this.RULE("member", () => {
    this.OR({
      MAX_LOOKAHEAD: 1,
      // Every keyword here but three is a name too, and a section begins with a name: the section comes last.
      IGNORE_AMBIGUITIES: true,
      DEF: [
        { GATE: () => !this.sectionFollows(), ALT: () => this.SUBRULE(this.input_member) },
        { GATE: () => !this.sectionFollows(), ALT: () => this.SUBRULE(this.train) },
        { GATE: () => !this.sectionFollows(), ALT: () => this.SUBRULE(this.statement) },
        { ALT: () => this.SUBRULE(this.section) },
      ],
    })
  })

  private readonly input_member: Rule = this.RULE("input_member", () => {
    this.OR([{ ALT: () => this.CONSUME(t.Input) }, { ALT: () => this.CONSUME(t.Target) }])
    this.CONSUME(t.Name)
    this.CONSUME(t.Colon)
    this.SUBRULE(this.type)
    this.OPTION(() => {
      this.CONSUME(t.Using)
      this.SUBRULE(this.postfix)
    })
  })

  private readonly section: Rule = this.RULE("section", () => {
    this.OPTION({
      MAX_LOOKAHEAD: 1,
      // `frozen` alone before the brace would be the section's own name.
      GATE: () => isName(this.LA(2).tokenType),
      DEF: () => this.CONSUME(t.Frozen),
    })
    this.CONSUME(t.Name, { LABEL: "role" })
    this.OPTION2(() => this.CONSUME2(t.Name))
    this.SUBRULE(this.body)
  })

  private readonly train: Rule = this.RULE("train", () => {
    this.CONSUME(t.Train)
    this.CONSUME(t.LeftCurly)
    this.MANY({
      // A name alone begins no setting; better to say so than to fail within one.
      GATE: () => this.equalFollows(),
      DEF: () => this.SUBRULE(this.setting),
    })
    this.CONSUME(t.RightCurly)
  })

  private readonly setting: Rule = this.RULE("setting", () => {
    this.CONSUME(t.Name)
    this.CONSUME(t.Equal)
    this.SUBRULE(this.expression)
    this.OPTION(() => this.CONSUME(t.Comma))
  })

  // ------------------------------------------------------------------------------------------------------ ablations

  private readonly change: Rule = this.RULE("change", () => {
    this.OR([
      {
        ALT: () => {
          this.OR2([
            { ALT: () => this.CONSUME(t.Without) },
            { ALT: () => this.CONSUME(t.Freeze) },
            { ALT: () => this.CONSUME(t.Unfreeze) },
          ])
          this.CONSUME(t.Name)
          this.MANY(() => {
            this.CONSUME(t.Comma)
            this.CONSUME2(t.Name)
          })
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.Set)
          this.SUBRULE(this.path)
          this.CONSUME(t.Equal)
          this.SUBRULE(this.expression)
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.Vary)
          this.SUBRULE2(this.path)
          this.CONSUME(t.In)
          this.SUBRULE2(this.expression)
        },
      },
    ])
  })

  private readonly path: Rule = this.RULE("path", () => {
    this.CONSUME(t.Name)
    this.MANY(() => {
      this.CONSUME(t.Dot)
      this.CONSUME(t.Word)
    })
  })

  // ----------------------------------------------------------------------------------------------------- statements

  private readonly statement: Rule = this.RULE("statement", () => {
    this.OR([
      { ALT: () => this.SUBRULE(this.let) },
      { ALT: () => this.SUBRULE(this.param) },
      { ALT: () => this.SUBRULE(this.named) },
      { ALT: () => this.SUBRULE(this.return) },
      { ALT: () => this.SUBRULE(this.check) },
    ])
  })

  private readonly let: Rule = this.RULE("let", () => {
    this.CONSUME(t.Let)
    this.SUBRULE(this.pattern)
    this.CONSUME(t.Equal)
    this.SUBRULE(this.expression)
  })

  private readonly pattern: Rule = this.RULE("pattern", () => {
    this.OR([
      { ALT: () => this.CONSUME(t.Name) },
      {
        ALT: () => {
          this.CONSUME(t.LeftCurly)
          this.SUBRULE(this.field_name)
          this.MANY({
            MAX_LOOKAHEAD: 1,
            GATE: () => this.anotherFollows(),
            DEF: () => {
              this.CONSUME(t.Comma)
              this.SUBRULE2(this.field_name)
            },
          })
          this.OPTION(() => this.CONSUME2(t.Comma))
          this.CONSUME(t.RightCurly)
        },
      },
    ])
  })

  private readonly field_name: Rule = this.RULE("field_name", () => {
    this.CONSUME(t.Word)
    this.OPTION(() => {
      this.CONSUME(t.Colon)
      this.CONSUME(t.Name)
    })
  })

  private readonly param: Rule = this.RULE("param", () => {
    this.OR([{ ALT: () => this.CONSUME(t.Param) }, { ALT: () => this.CONSUME(t.State) }])
    this.CONSUME(t.Name)
    this.CONSUME(t.Colon)
    this.SUBRULE(this.type)
    this.OPTION(() => {
      this.CONSUME(t.Equal)
      this.SUBRULE(this.expression)
    })
  })

  private readonly named: Rule = this.RULE("named", () => {
    this.OR([{ ALT: () => this.CONSUME(t.Output) }, { ALT: () => this.CONSUME(t.Loss) }])
    this.CONSUME(t.Name)
    this.CONSUME(t.Equal)
    this.SUBRULE(this.expression)
  })

  private readonly return: Rule = this.RULE("return", () => {
    this.CONSUME(t.Return)
    this.SUBRULE(this.expression)
  })

  private readonly check: Rule = this.RULE("check", () => {
    this.CONSUME(t.Check)
    this.SUBRULE(this.expression)
    this.CONSUME(t.Comma)
    this.SUBRULE2(this.expression)
  })

  // ---------------------------------------------------------------------------------------------------------- types

  private readonly type: Rule = this.RULE("type", () => {
    this.CONSUME(t.Name)
    this.OPTION(() => {
      this.CONSUME(t.LeftSquare)
      this.OPTION2({
        GATE: () => this.LA(1).tokenType !== t.RightSquare,
        DEF: () => {
          this.SUBRULE(this.dim)
          this.MANY({
            MAX_LOOKAHEAD: 1,
            GATE: () => this.anotherFollows(),
            DEF: () => {
              this.CONSUME(t.Comma)
              this.SUBRULE2(this.dim)
            },
          })
          this.OPTION3(() => this.CONSUME2(t.Comma))
        },
      })
      this.CONSUME(t.RightSquare)
    })
  })

  private readonly dim: Rule = this.RULE("dim", () => {
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.Ellipsis)
          this.OPTION(() => this.CONSUME(t.Name))
        },
      },
      {
        ALT: () => {
          this.SUBRULE(this.expression)
          this.OPTION2(() => {
            this.CONSUME(t.Equal)
            this.SUBRULE2(this.expression, { LABEL: "default" })
          })
        },
      },
    ])
  })

  // ---------------------------------------------------------------------------------------------------- expressions

  private readonly expression: Rule = this.RULE("expression", () => {
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.If)
          this.SUBRULE(this.expression, { LABEL: "condition" })
          this.CONSUME(t.Then)
          this.SUBRULE2(this.expression, { LABEL: "then" })
          this.CONSUME(t.Else)
          this.SUBRULE3(this.expression, { LABEL: "else" })
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.Fold)
          this.CONSUME(t.Name)
          this.CONSUME(t.Equal)
          this.SUBRULE4(this.expression, { LABEL: "start" })
          this.CONSUME(t.For)
          this.SUBRULE(this.pattern)
          this.CONSUME(t.In)
          this.SUBRULE5(this.expression, { LABEL: "iterable" })
          this.CONSUME(t.FatArrow)
          this.SUBRULE6(this.expression, { LABEL: "body" })
        },
      },
      { ALT: () => this.SUBRULE(this.pipe) },
    ])
  })

  private readonly pipe: Rule = this.RULE("pipe", () => {
    this.SUBRULE(this.range, { LABEL: "operand" })
    this.MANY(() => {
      this.CONSUME(t.Pipe, { LABEL: "operator" })
      this.SUBRULE2(this.range, { LABEL: "operand" })
    })
  })

  private readonly range: Rule = this.RULE("range", () => {
    this.SUBRULE(this.disjunction, { LABEL: "operand" })
    this.OPTION(() => {
      this.CONSUME(t.Range, { LABEL: "operator" })
      this.SUBRULE2(this.disjunction, { LABEL: "operand" })
    })
  })

  private readonly disjunction: Rule = this.RULE("disjunction", () => {
    this.SUBRULE(this.conjunction, { LABEL: "operand" })
    this.MANY(() => {
      this.CONSUME(t.Or, { LABEL: "operator" })
      this.SUBRULE2(this.conjunction, { LABEL: "operand" })
    })
  })

  private readonly conjunction: Rule = this.RULE("conjunction", () => {
    this.SUBRULE(this.inversion, { LABEL: "operand" })
    this.MANY(() => {
      this.CONSUME(t.And, { LABEL: "operator" })
      this.SUBRULE2(this.inversion, { LABEL: "operand" })
    })
  })

  private readonly inversion: Rule = this.RULE("inversion", () => {
    this.OPTION(() => this.CONSUME(t.Not, { LABEL: "operator" }))
    this.SUBRULE(this.comparison, { LABEL: "operand" })
  })

  private readonly comparison: Rule = this.RULE("comparison", () => {
    this.SUBRULE(this.sum, { LABEL: "operand" })
    this.OPTION(() => {
      this.OR([
        { ALT: () => this.CONSUME(t.EqualEqual, { LABEL: "operator" }) },
        { ALT: () => this.CONSUME(t.NotEqual, { LABEL: "operator" }) },
        { ALT: () => this.CONSUME(t.Less, { LABEL: "operator" }) },
        { ALT: () => this.CONSUME(t.LessEqual, { LABEL: "operator" }) },
        { ALT: () => this.CONSUME(t.Greater, { LABEL: "operator" }) },
        { ALT: () => this.CONSUME(t.GreaterEqual, { LABEL: "operator" }) },
      ])
      this.SUBRULE2(this.sum, { LABEL: "operand" })
    })
  })

  private readonly sum: Rule = this.RULE("sum", () => {
    this.SUBRULE(this.product, { LABEL: "operand" })
    this.MANY(() => {
      this.OR([
        { ALT: () => this.CONSUME(t.Plus, { LABEL: "operator" }) },
        { ALT: () => this.CONSUME(t.Minus, { LABEL: "operator" }) },
      ])
      this.SUBRULE2(this.product, { LABEL: "operand" })
    })
  })

  private readonly product: Rule = this.RULE("product", () => {
    this.SUBRULE(this.negation, { LABEL: "operand" })
    this.MANY(() => {
      this.OR([
        { ALT: () => this.CONSUME(t.Star, { LABEL: "operator" }) },
        { ALT: () => this.CONSUME(t.Slash, { LABEL: "operator" }) },
        { ALT: () => this.CONSUME(t.Percent, { LABEL: "operator" }) },
      ])
      this.SUBRULE2(this.negation, { LABEL: "operand" })
    })
  })

  private readonly negation: Rule = this.RULE("negation", () => {
    this.OPTION(() => this.CONSUME(t.Minus, { LABEL: "operator" }))
    this.SUBRULE(this.postfix, { LABEL: "operand" })
  })

  private readonly postfix: Rule = this.RULE("postfix", () => {
    this.SUBRULE(this.primary)
    this.MANY(() => {
      this.OR([
        {
          ALT: () => {
            this.CONSUME(t.LeftParen, { LABEL: "suffix" })
            this.OPTION({
              GATE: () => this.LA(1).tokenType !== t.RightParen,
              DEF: () => this.SUBRULE(this.arguments),
            })
            this.CONSUME(t.RightParen, { LABEL: "end" })
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.Dot, { LABEL: "suffix" })
            this.CONSUME(t.Word, { LABEL: "end" })
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.LeftSquare, { LABEL: "suffix" })
            this.SUBRULE(this.expression)
            this.CONSUME(t.RightSquare, { LABEL: "end" })
          },
        },
      ])
    })
  })

  private readonly arguments: Rule = this.RULE("arguments", () => {
    this.SUBRULE(this.argument)
    this.MANY({
      MAX_LOOKAHEAD: 1,
      GATE: () => this.anotherFollows(),
      DEF: () => {
        this.CONSUME(t.Comma)
        this.SUBRULE2(this.argument)
      },
    })
    this.OPTION(() => this.CONSUME2(t.Comma))
  })

  private readonly argument: Rule = this.RULE("argument", () => {
    this.OPTION({
      MAX_LOOKAHEAD: 1,
      GATE: () => this.equalFollows(),
      DEF: () => {
        this.CONSUME(t.Word)
        this.CONSUME(t.Equal)
      },
    })
    this.SUBRULE(this.expression)
  })

  private readonly primary: Rule = this.RULE("primary", () => {
    this.OR([
      { ALT: () => this.CONSUME(t.NumberLiteral) },
      { ALT: () => this.CONSUME(t.StringLiteral) },
      { ALT: () => this.CONSUME(t.True) },
      { ALT: () => this.CONSUME(t.False) },
      { ALT: () => this.CONSUME(t.None) },
      // A value left out, and the next line begins: `let a =` before `output b = a` is not about a value `output`.
      { GATE: () => !noteOf(this.LA(1)).begins, ALT: () => this.CONSUME(t.Name) },
      {
        ALT: () => {
          this.CONSUME(t.LeftParen)
          this.SUBRULE(this.expression)
          this.CONSUME(t.RightParen)
        },
      },
      { ALT: () => this.SUBRULE(this.list) },
      { GATE: () => !this.doFollows(), ALT: () => this.SUBRULE(this.record) },
      { GATE: () => this.doFollows(), ALT: () => this.SUBRULE(this.do) },
    ])
  })

  private readonly list: Rule = this.RULE("list", () => {
    this.CONSUME(t.LeftSquare)
    this.OPTION({
      GATE: () => this.LA(1).tokenType !== t.RightSquare,
      DEF: () => {
        this.SUBRULE(this.list_item)
        this.OR([
          {
            ALT: () => {
              this.CONSUME(t.For)
              this.SUBRULE(this.pattern)
              this.CONSUME(t.In)
              this.SUBRULE(this.expression, { LABEL: "iterable" })
              this.OPTION2(() => {
                this.CONSUME(t.If)
                this.SUBRULE2(this.expression, { LABEL: "condition" })
              })
            },
          },
          {
            ALT: () => {
              this.MANY({
                MAX_LOOKAHEAD: 1,
                GATE: () => this.anotherFollows(),
                DEF: () => {
                  this.CONSUME(t.Comma)
                  this.SUBRULE2(this.list_item)
                },
              })
              this.OPTION3(() => this.CONSUME2(t.Comma))
            },
          },
        ])
      },
    })
    this.CONSUME(t.RightSquare)
  })

  private readonly list_item: Rule = this.RULE("list_item", () => {
    this.OPTION(() => this.CONSUME(t.Ellipsis))
    this.SUBRULE(this.expression)
  })

  private readonly record: Rule = this.RULE("record", () => {
    this.CONSUME(t.LeftCurly)
    this.OPTION({
      GATE: () => this.LA(1).tokenType !== t.RightCurly,
      DEF: () => {
        this.SUBRULE(this.record_item)
        this.MANY({
          MAX_LOOKAHEAD: 1,
          GATE: () => this.anotherFollows(),
          DEF: () => {
            this.CONSUME(t.Comma)
            this.SUBRULE2(this.record_item)
          },
        })
        this.OPTION2(() => this.CONSUME2(t.Comma))
      },
    })
    this.CONSUME(t.RightCurly)
  })

  private readonly record_item: Rule = this.RULE("record_item", () => {
    this.OR([
      {
        // Reserved words may be fields too, but only with a value: alone they would name a variable.
        GATE: () => isName(this.LA(1).tokenType) || this.LA(2).tokenType === t.Colon,
        ALT: () => {
          this.CONSUME(t.Word)
          this.OPTION(() => {
            this.CONSUME(t.Colon)
            this.SUBRULE(this.expression)
          })
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.Ellipsis)
          this.SUBRULE2(this.expression)
        },
      },
    ])
  })

  private readonly do: Rule = this.RULE("do", () => {
    this.CONSUME(t.LeftCurly)
    this.AT_LEAST_ONE(() => this.SUBRULE(this.statement))
    this.CONSUME(t.RightCurly)
  })

  // ---------------------------------------------------------------------------------------------------------- gates

  /** After a comma: is there another one, or was the comma the trailing one? */
  private anotherFollows(): boolean {
    return !CLOSERS.has(this.LA(2).tokenType)
  }

  private equalFollows(): boolean {
    return this.LA(2).tokenType === t.Equal || this.LA(2).tokenType === t.ColonEqual
  }

  private memberFollows(): boolean {
    const { tokenType, image } = this.LA(1)
    if (ITEM_WORDS.has(tokenType)) return false
    return tokenType !== t.Identifier || this.sectionFollows() || ROLES.has(image)
  }

  /** A section: by its brace, or by its role when the brace is missing. */
  private sectionFollows(): boolean {
    const types = [1, 2, 3, 4].map((distance) => this.LA(distance).tokenType)
    const from = types[0] === t.Frozen && isName(types[1]) ? 1 : 0
    const role = types[from]
    if (role === undefined || !isName(role) || ITEM_WORDS.has(role)) return false
    if (types[from + 1] === t.LeftCurly) return types[from] !== t.Train
    return isName(types[from + 1]) && types[from + 2] === t.LeftCurly
  }

  /** A brace where a value stands opens statements when one of three words comes first, a record otherwise. */
  private doFollows(): boolean {
    const first = this.LA(2).tokenType
    if (first !== t.Let && first !== t.Return && first !== t.Check) return false
    const second: IToken = this.LA(3)
    return second.tokenType !== t.Colon && second.tokenType !== t.Comma && second.tokenType !== t.RightCurly
  }
}
