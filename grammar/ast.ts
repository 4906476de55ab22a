/**
 * The abstract syntax of MDL.
 *
 * Takes nothing; gives the types every later stage reads. Each node carries the span of the text it came from, so that
 * any later complaint can point at the user's own characters. The AST is what was written: names are not resolved,
 * shapes not known, sugar (pipes, record shorthand) still visible, so that the formatter can print it back.
 */

/** A half-open range of UTF-16 offsets in one source file. */
export interface Span {
  readonly file: string
  readonly start: number
  readonly end: number
}

interface Node {
  readonly span: Span
}

/** A name as written, with its place. */
export interface Identifier extends Node {
  readonly text: string
}

// ---------------------------------------------------------------------------------------------------- files and items

export interface SourceFile extends Node {
  readonly kind: "file"
  readonly path: string
  readonly items: readonly Item[]
}

export type Item = ImportItem | BlockItem | FunctionItem | ModelItem | AblationItem

/** `import { UNetEncoder, Head as SegHead } from "std/unet"` */
export interface ImportItem extends Node {
  readonly kind: "import"
  readonly names: readonly { readonly name: Identifier; readonly alias: Identifier | undefined }[]
  readonly from: { readonly text: string; readonly span: Span }
}

/** `block Name(params)(inputs) -> type { statements }` : a named piece of network that owns parameters. */
export interface BlockItem extends Node {
  readonly kind: "block"
  readonly doc: string | undefined
  readonly name: Identifier
  readonly parameters: readonly Parameter[]
  readonly inputs: readonly Parameter[]
  readonly result: TypeExpression | undefined
  readonly body: readonly Statement[]
}

/** `fn name(inputs and settings) -> type = expression`, or with a `{ ... return e }` body: an abbreviation, inlined. */
export interface FunctionItem extends Node {
  readonly kind: "fn"
  readonly doc: string | undefined
  readonly name: Identifier
  readonly parameters: readonly Parameter[]
  readonly result: TypeExpression | undefined
  /** `fn f(x) = e` is stored as the single statement `return e` with `concise` true. */
  readonly body: readonly Statement[]
  readonly concise: boolean
}

export interface ModelItem extends Node {
  readonly kind: "model"
  readonly doc: string | undefined
  readonly name: Identifier
  readonly parameters: readonly Parameter[]
  readonly members: readonly ModelMember[]
}

export interface AblationItem extends Node {
  readonly kind: "ablation"
  readonly doc: string | undefined
  readonly name: Identifier
  readonly base: Identifier
  readonly changes: readonly Change[]
}

/** `name: type = default`. For block inputs and functions a missing type means "anything". */
export interface Parameter extends Node {
  readonly name: Identifier
  readonly type: TypeExpression | undefined
  readonly default: Expression | undefined
}

// ------------------------------------------------------------------------------------------------------ model members

export type ModelMember = InputMember | SectionMember | TrainMember | Statement

/** `input image: f32[N, 3, H = 224, W = 224]`, `target mask: f32[N, 1, H, W]`, `input note: tokens[N, T = 18] using clip` */
export interface InputMember extends Node {
  readonly kind: "input"
  readonly doc: string | undefined
  /** `optional input prior: ...`: an ablation may leave it out, and the name then holds `none` */
  readonly optional: boolean
  readonly role: "input" | "target"
  readonly name: Identifier
  readonly type: TypeExpression
  /** tokenizer (or other preparation) named after `using` */
  readonly using: Expression | undefined
}

/** `frozen encoder language { ... }`; a section without a name is named after its kind. */
export interface SectionMember extends Node {
  readonly kind: "section"
  readonly doc: string | undefined
  readonly frozen: boolean
  readonly role: Identifier
  readonly name: Identifier | undefined
  readonly body: readonly Statement[]
}

/** `train { optimizer = adam(lr = 3e-4)  batch = 32 }` */
export interface TrainMember extends Node {
  readonly kind: "train"
  readonly settings: readonly Setting[]
}

export interface Setting extends Node {
  readonly name: Identifier
  readonly value: Expression
}

// --------------------------------------------------------------------------------------------------------- ablations

export type Change =
  | (Node & { readonly kind: "without" | "freeze" | "unfreeze"; readonly sections: readonly Identifier[] })
  /** `set layers = 2`, or a training setting: `set train.batch = 4` */
  | (Node & { readonly kind: "set"; readonly path: readonly Identifier[]; readonly value: Expression })
  | (Node & { readonly kind: "vary"; readonly path: readonly Identifier[]; readonly values: Expression })

// -------------------------------------------------------------------------------------------------------- statements

export type Statement =
  LetStatement | ParamStatement | ConstStatement | NamedStatement | ReturnStatement | CheckStatement | WeightsStatement

/** `let x = e` or `let { v, skips } = e` (record pattern, with optional renaming `{ v: vision }`) */
export interface LetStatement extends Node {
  readonly kind: "let"
  readonly doc: string | undefined
  readonly pattern: Pattern
  readonly value: Expression
}

export type Pattern =
  | (Node & { readonly kind: "name-pattern"; readonly name: Identifier })
  | (Node & {
      readonly kind: "record-pattern"
      readonly fields: readonly { readonly field: Identifier; readonly name: Identifier }[]
    })

/** `param weight: f32[out, C] = kaiming_uniform(C)`; `state` is a value kept between steps that no gradient reaches. */
export interface ParamStatement extends Node {
  readonly kind: "param"
  readonly doc: string | undefined
  readonly role: "param" | "state"
  readonly name: Identifier
  readonly type: TypeExpression
  readonly initial: Expression | undefined
}

/** `const words: f32[K, 300] = load("embeddings.npy")`: a tensor that is the same in every step. */
export interface ConstStatement extends Node {
  readonly kind: "const"
  readonly doc: string | undefined
  readonly name: Identifier
  readonly type: TypeExpression
  readonly value: Expression
}

/** `output probability = e`, `loss t2v = e` */
export interface NamedStatement extends Node {
  readonly kind: "output" | "loss"
  readonly doc: string | undefined
  readonly name: Identifier
  readonly value: Expression
}

export interface ReturnStatement extends Node {
  readonly kind: "return"
  readonly value: Expression
}

/** `check dim % heads == 0, "dim must be divisible by heads"`: evaluated at compile time. */
export interface CheckStatement extends Node {
  readonly kind: "check"
  readonly condition: Expression
  readonly message: Expression
}

/** `weights "Hugging Face" { layer[i].ln_1 = "layers.{i}.layer_norm1" }`: names of parameters in published files. */
export interface WeightsStatement extends Node {
  readonly kind: "weights"
  readonly doc: string | undefined
  /** whose names they are */
  readonly scheme: { readonly text: string; readonly span: Span }
  readonly entries: readonly WeightEntry[]
}

/** `layer[i].attn.q = "layers.{i}.self_attn.q_proj"`: one part, or the same part of every repetition. */
export interface WeightEntry extends Node {
  readonly path: WeightPath
  /** names, and what is made of the tensors; only evaluated when compiling */
  readonly value: Expression
}

export interface WeightPath extends Node {
  readonly parts: readonly WeightPathPart[]
}

export type WeightPathPart =
  | { readonly kind: "name"; readonly name: Identifier }
  /** `[i]`: every number, called `i` in the names on the right */
  | { readonly kind: "variable"; readonly name: Identifier }
  /** `[0]` */
  | { readonly kind: "number"; readonly text: string; readonly span: Span }

// ------------------------------------------------------------------------------------------------------------- types

export type TypeExpression =
  /** `f32[N, C, H = 224, W]`, `i32[]`, `tokens[N, T]`; `element` is the word before the bracket */
  | (Node & { readonly kind: "tensor-type"; readonly element: Identifier; readonly dims: readonly DimExpression[] })
  /** `int`, `float`, `bool`, `string`, `list`, `record`, `block`, `tensor` */
  | (Node & { readonly kind: "plain-type"; readonly name: Identifier })

export type DimExpression =
  /** an expression over dims; a bare name binds it at first use; `H = 224` gives a default size */
  | (Node & { readonly kind: "dim"; readonly value: Expression; readonly default: Expression | undefined })
  /** `...B`: any number of leading dims, bound to `B`; a bare `...` binds nothing */
  | (Node & { readonly kind: "rest-dims"; readonly name: Identifier | undefined })

// ------------------------------------------------------------------------------------------------------- expressions

export type BinaryOperator = "+" | "-" | "*" | "/" | "%" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "and" | "or"

export type Expression =
  | (Node & { readonly kind: "number"; readonly value: number; readonly isInteger: boolean; readonly text: string })
  | (Node & { readonly kind: "string"; readonly value: string })
  | (Node & { readonly kind: "boolean"; readonly value: boolean })
  | (Node & { readonly kind: "none" })
  | (Node & { readonly kind: "name"; readonly name: Identifier })
  | (Node & { readonly kind: "list"; readonly items: readonly ListItem[] })
  /** `[e for x in xs if c]` */
  | (Node & {
      readonly kind: "comprehension"
      readonly body: Expression
      readonly variable: Pattern
      readonly iterable: Expression
      readonly condition: Expression | undefined
    })
  /** `{ v, skips: [a, b], ...rest }` ; shorthand `v` has value undefined */
  | (Node & { readonly kind: "record"; readonly fields: readonly RecordField[] })
  /** `0..layers`: integers from the first up to, not including, the last */
  | (Node & { readonly kind: "range"; readonly from: Expression; readonly to: Expression })
  | (Node & { readonly kind: "unary"; readonly operator: "-" | "not"; readonly operand: Expression })
  | (Node & {
      readonly kind: "binary"
      readonly operator: BinaryOperator
      readonly operatorSpan: Span
      readonly left: Expression
      readonly right: Expression
    })
  | (Node & {
      readonly kind: "call"
      readonly callee: Expression
      readonly arguments: readonly Argument[]
      /** `Conv2d(kernel = 3, ...)`: the rest of the arguments comes later */
      readonly open: boolean
    })
  | (Node & { readonly kind: "member"; readonly object: Expression; readonly name: Identifier })
  | (Node & { readonly kind: "index"; readonly object: Expression; readonly index: Expression })
  /** `a |> f(b)`: `a` becomes the first argument of the call */
  | (Node & { readonly kind: "pipe"; readonly left: Expression; readonly right: Expression })
  /** `if c then a else b`: decided at compile time; only the taken side is elaborated */
  | (Node & {
      readonly kind: "if"
      readonly condition: Expression
      readonly then: Expression
      readonly else: Expression
    })
  /** `fold h = start for layer in 0..n => body`: `h` in the body is the last result */
  | (Node & {
      readonly kind: "fold"
      readonly accumulator: Identifier
      readonly start: Expression
      readonly variable: Pattern
      readonly iterable: Expression
      readonly body: Expression
    })
  /** `{ let a = ... return a }`: statements ending in a return; told from a record by its first word */
  | (Node & { readonly kind: "do"; readonly body: readonly Statement[] })

export type ListItem = { readonly spread: boolean; readonly value: Expression }

export type RecordField =
  | { readonly kind: "field"; readonly name: Identifier; readonly value: Expression | undefined }
  | { readonly kind: "spread"; readonly value: Expression }

export interface Argument extends Node {
  readonly name: Identifier | undefined
  readonly value: Expression
}

/** The words that may open a section; the word says what part of the figure it is. */
export const SECTION_ROLES = [
  "encoder",
  "decoder",
  "interaction",
  "reconstruction",
  "contrastive",
  "neck",
  "head",
  "fusion",
  "section",
] as const
