/**
 * The grammar of `mdl.ebnf`, rule by rule, for Chevrotain: items, members and statements.
 *
 * Takes tokens with notes (`structure.ts`); gives a concrete syntax tree. Each rule has the name it has in the written
 * grammar, and a test holds the two together. What a rule cannot say with one token of look-ahead is a gate.
 */

import type { IParserConfig, TokenType } from "chevrotain"
import { SECTION_ROLES } from "./ast.js"
import { isName } from "./beginnings.js"
import { ExpressionParser } from "./expression-parser.js"
import type { Rule } from "./recovery.js"
import * as t from "./tokens.js"

const ROLES: ReadonlySet<string> = new Set(SECTION_ROLES)
const ITEM_WORDS = new Set<TokenType>([t.Block, t.Model, t.Ablation])

export class MdlParser extends ExpressionParser {
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
    this.OPTION(() => this.CONSUME(t.Optional))
    this.OR([{ ALT: () => this.CONSUME(t.Input) }, { ALT: () => this.CONSUME(t.Target) }])
    this.CONSUME(t.Name)
    this.CONSUME(t.Colon)
    this.SUBRULE(this.type)
    this.OPTION2(() => {
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

  protected override readonly statement: Rule = this.RULE("statement", () => {
    this.OR([
      { ALT: () => this.SUBRULE(this.let) },
      { ALT: () => this.SUBRULE(this.param) },
      { ALT: () => this.SUBRULE(this.const) },
      { ALT: () => this.SUBRULE(this.named) },
      { ALT: () => this.SUBRULE(this.return) },
      { ALT: () => this.SUBRULE(this.check) },
      { ALT: () => this.SUBRULE(this.weights) },
    ])
  })

  private readonly let: Rule = this.RULE("let", () => {
    this.CONSUME(t.Let)
    this.SUBRULE(this.pattern)
    this.CONSUME(t.Equal)
    this.SUBRULE(this.expression)
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

  private readonly const: Rule = this.RULE("const", () => {
    this.CONSUME(t.Const)
    this.CONSUME(t.Name)
    this.CONSUME(t.Colon)
    this.SUBRULE(this.type)
    this.CONSUME(t.Equal)
    this.SUBRULE(this.expression)
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

  private readonly weights: Rule = this.RULE("weights", () => {
    this.CONSUME(t.Weights)
    this.CONSUME(t.StringLiteral)
    this.CONSUME(t.LeftCurly)
    this.MANY({ GATE: () => this.weightFollows(), DEF: () => this.SUBRULE(this.weight) })
    this.CONSUME(t.RightCurly)
  })

  private readonly weight: Rule = this.RULE("weight", () => {
    this.SUBRULE(this.weight_path)
    this.CONSUME(t.Equal)
    this.SUBRULE(this.expression)
  })

  private readonly weight_path: Rule = this.RULE("weight_path", () => {
    this.CONSUME(t.Name)
    this.MANY(() =>
      this.OR([
        {
          ALT: () => {
            this.CONSUME(t.Dot)
            this.CONSUME(t.Word)
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.LeftSquare)
            this.OR2([
              { ALT: () => this.CONSUME2(t.Name, { LABEL: "variable" }) },
              { ALT: () => this.CONSUME(t.NumberLiteral) },
            ])
            this.CONSUME(t.RightSquare)
          },
        },
      ]),
    )
  })

  // ---------------------------------------------------------------------------------------------------------- gates

  /** A name alone begins no entry; better to say so than to fail within one. */
  private weightFollows(): boolean {
    const { tokenType } = this.LA(2)
    return this.equalFollows() || tokenType === t.Dot || tokenType === t.LeftSquare
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
}
