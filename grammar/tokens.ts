/**
 * The tokens of MDL, and what people call them.
 *
 * Takes nothing; gives Chevrotain token types. Words come in three kinds. Plain identifiers. *Contextual* keywords
 * (`input`, `target`, `loss`, `from`, ...), which mean something only where a statement or item begins, and are names
 * everywhere else, because a model wants to call things `target` and `loss`. *Reserved* keywords (`let`, `if`, `for`,
 * ...), which are names only where nothing else could stand: after `.`, and before the `=` of an argument. The
 * categories `Name` and `Word` say so once, for the whole grammar.
 */

import { createToken, Lexer, type TokenType } from "chevrotain"

// ---------------------------------------------------------------------------------------------------------- categories

/** Identifiers and contextual keywords: whatever may be declared and referred to. */
export const Name = createToken({ name: "NAME", pattern: Lexer.NA, label: "a name" })
/** Any word at all, reserved ones included. */
export const Word = createToken({ name: "WORD", pattern: Lexer.NA, label: "a name" })
export const Reserved = createToken({ name: "RESERVED", pattern: Lexer.NA, label: "a keyword" })

export const Identifier = createToken({
  name: "Identifier",
  pattern: /[A-Za-z_][A-Za-z0-9_]*/,
  categories: [Name, Word],
  label: "a name",
})

function keyword(word: string, categories: TokenType[]): TokenType {
  const name = word[0]?.toUpperCase() + word.slice(1)
  return createToken({ name, pattern: word, longer_alt: Identifier, categories, label: `\`${word}\`` })
}
const reserved = (word: string): TokenType => keyword(word, [Reserved, Word])
const contextual = (word: string): TokenType => keyword(word, [Name, Word])

// ------------------------------------------------------------------------------------------------------------ keywords

export const Import = reserved("import")
export const Fn = reserved("fn")
export const Let = reserved("let")
export const Return = reserved("return")
export const Check = reserved("check")
export const If = reserved("if")
export const Then = reserved("then")
export const Else = reserved("else")
export const For = reserved("for")
export const In = reserved("in")
export const Fold = reserved("fold")
export const And = reserved("and")
export const Or = reserved("or")
export const Not = reserved("not")
export const True = reserved("true")
export const False = reserved("false")
export const None = reserved("none")

export const Block = contextual("block")
export const Model = contextual("model")
export const Ablation = contextual("ablation")
export const From = contextual("from")
export const As = contextual("as")
export const Of = contextual("of")
export const Input = contextual("input")
export const Target = contextual("target")
export const Optional = contextual("optional")
export const Using = contextual("using")
export const Frozen = contextual("frozen")
export const Train = contextual("train")
export const Param = contextual("param")
export const State = contextual("state")
export const Const = contextual("const")
export const Output = contextual("output")
export const Loss = contextual("loss")
export const Weights = contextual("weights")
export const Without = contextual("without")
export const Freeze = contextual("freeze")
export const Unfreeze = contextual("unfreeze")
export const Set = contextual("set")
export const Vary = contextual("vary")

// -------------------------------------------------------------------------------------------------- literals and symbols

export const NumberLiteral = createToken({
  name: "NUMBER",
  pattern: /[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/,
  label: "a number",
})
export const StringLiteral = createToken({ name: "STRING", pattern: /"(?:[^"\\\r\n]|\\[^\r\n])*"/, label: "a string" })

const symbol = (name: string, text: string): TokenType => createToken({ name, pattern: text, label: `\`${text}\`` })

export const Ellipsis = symbol("Ellipsis", "...")
export const Range = symbol("Range", "..")
export const Dot = symbol("Dot", ".")
export const Pipe = symbol("Pipe", "|>")
export const Arrow = symbol("Arrow", "->")
export const FatArrow = symbol("FatArrow", "=>")
export const EqualEqual = symbol("EqualEqual", "==")
export const NotEqual = symbol("NotEqual", "!=")
export const LessEqual = symbol("LessEqual", "<=")
export const GreaterEqual = symbol("GreaterEqual", ">=")
export const Less = symbol("Less", "<")
export const Greater = symbol("Greater", ">")
export const Equal = symbol("Equal", "=")
export const Plus = symbol("Plus", "+")
export const Minus = symbol("Minus", "-")
export const Star = symbol("Star", "*")
export const Slash = symbol("Slash", "/")
export const Percent = symbol("Percent", "%")
export const Comma = symbol("Comma", ",")
export const Colon = symbol("Colon", ":")
export const LeftParen = symbol("LeftParen", "(")
export const RightParen = symbol("RightParen", ")")
export const LeftSquare = symbol("LeftSquare", "[")
export const RightSquare = symbol("RightSquare", "]")
export const LeftCurly = symbol("LeftCurly", "{")
export const RightCurly = symbol("RightCurly", "}")

// ------------------------------------------------------------------------------------------------------ what is skipped

export const WhiteSpace = createToken({
  name: "WhiteSpace",
  pattern: /[ \t\r\n\u00a0\ufeff]+/,
  group: Lexer.SKIPPED,
  line_breaks: true,
})
/** `// ...` and `/// ...`; which of the two is told by the text. They are trivia: the grammar never sees them. */
export const CommentToken = createToken({ name: "Comment", pattern: /\/\/[^\n]*/, group: "comments" })

// ------------------------------------------------------------------------------------- what is not MDL but gets typed
//
// Each is read as the nearest thing that MDL has, so that one slip gives one error and the rest of the line is checked.

export const UnterminatedString = createToken({
  name: "UnterminatedString",
  pattern: /"(?:[^"\\\r\n]|\\[^\r\n])*\\?/,
  categories: [StringLiteral],
})
export const SingleQuotedString = createToken({
  name: "SingleQuotedString",
  pattern: /'[^'\r\n]*'/,
  categories: [StringLiteral],
})
export const CurlyQuotedString = createToken({
  name: "CurlyQuotedString",
  pattern: /[\u2018\u2019\u201c\u201d][^\u2018\u2019\u201c\u201d"\r\n]*[\u2018\u2019\u201c\u201d]/,
  categories: [StringLiteral],
})
export const BlockComment = createToken({
  name: "BlockComment",
  pattern: /\/\*(?:[^*]|\*(?!\/))*\*\//,
  line_breaks: true,
})
export const HashComment = createToken({ name: "HashComment", pattern: /#[^\r\n]*/ })
export const Semicolon = createToken({ name: "Semicolon", pattern: ";" })
export const DoubleAmpersand = createToken({ name: "DoubleAmpersand", pattern: "&&", categories: [And] })
export const DoubleBar = createToken({ name: "DoubleBar", pattern: "||", categories: [Or] })
export const Bang = createToken({ name: "Bang", pattern: "!", categories: [Not] })
export const DoubleStar = createToken({ name: "DoubleStar", pattern: "**", categories: [Star] })
export const ColonEqual = createToken({ name: "ColonEqual", pattern: ":=", categories: [Equal] })
/** Everything else, in runs, so that the lexer itself can never fail and a page of garbage is one error. */
export const Unexpected = createToken({
  name: "Unexpected",
  // eslint-disable-next-line no-control-regex -- control characters are part of "everything else"
  pattern: /[\u0000-\u0008\u000b\u000c\u000e-\u001f"$&'?@\\^`|~\u007f-\u009f\u00a1-\ufefe\uff00-\uffff]+/,
})

/** What to write in place of a foreign symbol, and whether the parser is to see the token at all. */
export const FOREIGN: ReadonlyMap<TokenType, { readonly advice: string; readonly keep: boolean }> = new Map([
  [BlockComment, { advice: "a comment begins with `//` and runs to the end of its line", keep: false }],
  [HashComment, { advice: "a comment begins with `//`", keep: false }],
  [Semicolon, { advice: "remove it; nothing ends a statement but the next one", keep: false }],
  [DoubleAmpersand, { advice: "write `and`", keep: true }],
  [DoubleBar, { advice: "write `or`", keep: true }],
  [Bang, { advice: "write `not`", keep: true }],
  [DoubleStar, { advice: "write `x * x`, or call `pow`", keep: true }],
  [ColonEqual, { advice: "write `=`", keep: true }],
])

export const BRACKET_PAIRS: readonly (readonly [TokenType, TokenType])[] = [
  [LeftParen, RightParen],
  [LeftSquare, RightSquare],
  [LeftCurly, RightCurly],
]

// A keyword stands before all keywords it begins with (`input` before `in`): the lexer takes the first that matches.
const KEYWORDS: TokenType[] = [
  ...[Import, Fn, Let, Return, Check, If, Then, Else, For, In, Fold, And, Or, Not, True, False, None],
  ...[Block, Model, Ablation, From, As, Of, Optional, Input, Target, Using, Frozen, Train, Param, State, Const],
  ...[Output, Loss, Weights],
  ...[Without, Freeze, Unfreeze, Set, Vary],
].sort((a, b) => b.name.length - a.name.length)

/** In the order in which the lexer tries them. */
export const ALL_TOKENS: TokenType[] = [
  ...[WhiteSpace, CommentToken, BlockComment, HashComment],
  ...KEYWORDS,
  ...[Identifier, NumberLiteral, StringLiteral, UnterminatedString, SingleQuotedString, CurlyQuotedString],
  ...[Ellipsis, Range, Dot, Pipe, Arrow, FatArrow, EqualEqual, NotEqual, LessEqual, GreaterEqual, ColonEqual],
  ...[DoubleAmpersand, DoubleBar, DoubleStar, Bang, Semicolon],
  ...[Less, Greater, Equal, Plus, Minus, Star, Slash, Percent, Comma, Colon],
  ...[LeftParen, RightParen, LeftSquare, RightSquare, LeftCurly, RightCurly],
  ...[Unexpected, Name, Word, Reserved],
]
