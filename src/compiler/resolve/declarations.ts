/**
 * What a name means: the thing that was declared, with the place that declares it.
 *
 * Takes nothing; gives the types that checking names tells its observers of.
 */

import type {
  BlockItem,
  ConstStatement,
  FunctionItem,
  Identifier,
  InputMember,
  LetStatement,
  ModelItem,
  NamedStatement,
  Parameter,
  ParamStatement,
  SectionMember,
} from "../../../grammar/ast.js"
import type { StaticValue } from "../elaborate/values.js"
import type { OpName } from "../ops/names.js"
import type { Definition, Module } from "./modules.js"

/** What can have parameters. */
export type Owner = BlockItem | FunctionItem | ModelItem

/** `name` is the identifier that declares the thing; for what the language itself has, the one that was met. */
export type Declaration = { readonly name: Identifier } & (
  | { readonly kind: "item"; readonly definition: Definition; readonly module: Module }
  | { readonly kind: "parameter"; readonly node: Parameter; readonly owner: Owner }
  | { readonly kind: "input"; readonly node: InputMember }
  | { readonly kind: "section"; readonly node: SectionMember }
  | { readonly kind: "statement"; readonly node: LetStatement | ParamStatement | ConstStatement | NamedStatement }
  /** of a loop */
  | { readonly kind: "variable" }
  /** a size named in a type */
  | { readonly kind: "size" }
  | { readonly kind: "operation"; readonly op: OpName }
  | { readonly kind: "builtin"; readonly value: StaticValue }
)
