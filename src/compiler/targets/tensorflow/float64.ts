/**
 * Arithmetic on float64 scalars inside the graph.
 *
 * Takes a builder and a scope; gives one function for each operation. Learning rates, bias corrections and the like are a
 * handful of numbers a step, so they can afford float64, and PyTorch computes them in Python's float64 too.
 */

import type { ElementType, GraphDefBuilder } from "./graphdef.js"
import { cast } from "./variables.js"

const TYPE = "DT_DOUBLE" satisfies ElementType

/** Operations on float64 scalars; plain numbers are constants. Every result is a tensor name. */
export class Float64 {
  constructor(
    private readonly builder: GraphDefBuilder,
    private readonly scope: string,
  ) {}

  constant(value: number): string {
    return this.builder.constant(TYPE, [], [value])
  }

  /** A vector of constants. */
  constants(values: readonly number[]): string {
    return this.builder.constant(TYPE, [values.length], values)
  }

  from(value: string, type: ElementType): string {
    return cast(this.builder, this.scope, value, type, TYPE)
  }

  to(value: string, type: ElementType): string {
    return cast(this.builder, this.scope, value, TYPE, type)
  }

  add = (a: string | number, b: string | number): string => this.elementwise("AddV2", a, b)
  subtract = (a: string | number, b: string | number): string => this.elementwise("Sub", a, b)
  multiply = (a: string | number, b: string | number): string => this.elementwise("Mul", a, b)
  divide = (a: string | number, b: string | number): string => this.elementwise("RealDiv", a, b)
  power = (a: string | number, b: string | number): string => this.elementwise("Pow", a, b)
  /** the remainder, for numbers of 0 or more */
  modulo = (a: string | number, b: string | number): string => this.elementwise("FloorMod", a, b)
  minimum = (a: string | number, b: string | number): string => this.elementwise("Minimum", a, b)
  maximum = (a: string | number, b: string | number): string => this.elementwise("Maximum", a, b)
  floor = (a: string): string => this.elementwise("Floor", a)
  cosine = (a: string): string => this.elementwise("Cos", a)
  root = (a: string): string => this.elementwise("Sqrt", a)

  /** bool: a < b */
  less = (a: string | number, b: string | number): string => this.elementwise("Less", a, b)
  lessEqual = (a: string | number, b: string | number): string => this.elementwise("LessEqual", a, b)

  /** the largest element of a vector */
  largest(vector: string): string {
    const axes = this.builder.ints([0])
    const attributes = { T: { type: TYPE }, Tidx: { type: "DT_INT32" }, keep_dims: { b: false } } as const
    return this.builder.node("Max", this.scope, [vector, axes], attributes)
  }

  choose(condition: string, yes: string | number, no: string | number): string {
    return this.builder.node("SelectV2", this.scope, [condition, this.operand(yes), this.operand(no)], {
      T: { type: TYPE },
    })
  }

  private elementwise(op: string, ...operands: readonly (string | number)[]): string {
    const inputs = operands.map((operand) => this.operand(operand))
    return this.builder.node(op, this.scope, inputs, { T: { type: TYPE } })
  }

  private operand(value: string | number): string {
    return typeof value === "number" ? this.constant(value) : value
  }
}
