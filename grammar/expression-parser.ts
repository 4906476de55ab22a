/**
 * The grammar of `mdl.ebnf` below statements: expressions, types and patterns, for Chevrotain.
 *
 * Takes tokens with notes (`structure.ts`); gives concrete syntax. Each level of precedence is a rule, as in the written
 * grammar; `build-expression.ts` passes over those that hold a single operand.
 */

import type { TokenType } from "chevrotain"
import { RecoveringParser, type Rule } from "./recovery.js"
import { noteOf } from "./structure.js"
import * as t from "./tokens.js"

const CLOSERS = new Set<TokenType>([t.RightParen, t.RightSquare, t.RightCurly])

export abstract class ExpressionParser extends RecoveringParser {
  /** A `do` holds statements, which are in `parser.ts`. */
  protected abstract readonly statement: Rule

  // ---------------------------------------------------------------------------------------------------------- types

  protected readonly type: Rule = this.RULE("type", () => {
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

  protected readonly expression: Rule = this.RULE("expression", () => {
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

  protected readonly postfix: Rule = this.RULE("postfix", () => {
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
    this.OR([
      {
        ALT: () => {
          this.OPTION({
            MAX_LOOKAHEAD: 1,
            GATE: () => this.equalFollows(),
            DEF: () => {
              this.CONSUME(t.Word)
              this.CONSUME(t.Equal)
            },
          })
          this.SUBRULE(this.expression)
        },
      },
      { ALT: () => this.CONSUME(t.Ellipsis) },
    ])
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
        GATE: () => this.LA(2).tokenType === t.Colon,
        ALT: () => {
          this.CONSUME(t.Word)
          this.CONSUME(t.Colon)
          this.SUBRULE(this.expression)
        },
      },
      { ALT: () => this.CONSUME(t.Name, { LABEL: "WORD" }) },
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

  // --------------------------------------------------------------------------------------------------- patterns

  protected readonly pattern: Rule = this.RULE("pattern", () => {
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
    this.OR([
      {
        // As in a record: a reserved word can be a field, and no variable.
        GATE: () => this.LA(2).tokenType === t.Colon,
        ALT: () => {
          this.CONSUME(t.Word)
          this.CONSUME(t.Colon)
          this.CONSUME(t.Name)
        },
      },
      { ALT: () => this.CONSUME2(t.Name, { LABEL: "WORD" }) },
    ])
  })

  // ---------------------------------------------------------------------------------------------------------- gates

  /** After a comma: is there another one, or was the comma the trailing one? */
  protected anotherFollows(): boolean {
    return !CLOSERS.has(this.LA(2).tokenType)
  }

  protected equalFollows(): boolean {
    return this.LA(2).tokenType === t.Equal || this.LA(2).tokenType === t.ColonEqual
  }

  /** A brace where a value stands opens statements when one of three words comes first, a record otherwise. */
  private doFollows(): boolean {
    const first = this.LA(2).tokenType
    if (first !== t.Let && first !== t.Return && first !== t.Check) return false
    const second = this.LA(3)
    return second.tokenType !== t.Colon && second.tokenType !== t.Comma && second.tokenType !== t.RightCurly
  }
}
