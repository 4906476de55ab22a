/**
 * Going on after a syntax error.
 *
 * Takes Chevrotain's parser; gives one whose recovery knows MDL. Chevrotain would guess by inserting, deleting and
 * skipping to any token that may follow, which after a contextual keyword or a nested brace guesses wrong, and then one
 * slip gives three errors. Here a broken line is left at the next line of the same brackets, as `structure.ts` noted
 * them, and nothing is inserted or deleted.
 *
 * The hooks overridden here are not in Chevrotain's type declarations; they are the ones its own recovery consists of,
 * which is one reason why package.json holds Chevrotain to 11.2.
 */

import {
  type CstElement,
  type CstNode,
  CstParser,
  type IParserConfig,
  type IRecognitionException,
  type IToken,
  isRecognitionException,
  type ParserMethod,
  tokenLabel,
  type TokenType,
} from "chevrotain"
import { noteOf } from "./structure.js"
import { ALL_TOKENS, Comma, RightCurly, RightParen, RightSquare } from "./tokens.js"

export type Rule = ParserMethod<[], CstNode>

/** A rule failed: the exception, and the line it failed in. */
export interface FailedLine {
  readonly kind: "failed"
  readonly token: IToken
  readonly rule: string
  /** What could have stood there, in friendly words. */
  readonly expected: readonly string[]
  /** First token of the line, or parameter, that was given up. */
  readonly begin: IToken
}

/** A token stands where a line should begin and begins none. */
export interface StrayToken {
  readonly kind: "stray"
  readonly token: IToken
  readonly previous: IToken
  /** The rule whose lines these are. */
  readonly rule: string
}

export type Problem = FailedLine | StrayToken

/** Rules that can be given up without giving up what is around them. */
const LINES = new Set(["item", "member", "statement", "setting", "change", "weight"])
/** The same, for parts of a list: given up at the next comma. */
const PARTS = new Set(["parameter"])
/** Rules that repeat lines. */
const REPEATING = new Set(["file", "model", "body", "train", "ablation", "do", "weights"])

const CLOSERS = new Set<TokenType>([RightParen, RightSquare, RightCurly])

/** A broken file is given up after so many problems. */
export const MAX_PROBLEMS = 100

/** Parts of Chevrotain's engine that its declarations leave out. */
interface Engine {
  readonly CST_STACK: readonly CstNode[]
  readonly RULE_STACK_IDX: number
  getCurrRuleFullName(): string
  moveToTerminatedState(): void
  consumeToken(): void
  attemptInRepetitionRecovery: (
    repeat: (...args: unknown[]) => unknown,
    args: unknown[],
    lookahead: () => boolean,
  ) => void
}

export class RecoveringParser extends CstParser {
  readonly problems: Problem[] = []
  private readonly engine = this as unknown as Engine

  constructor(config: IParserConfig) {
    super(ALL_TOKENS, {
      ...config,
      recoveryEnabled: true,
      maxLookahead: 2,
      // Messages are written elsewhere: here they are the bare list of what was expected.
      errorMessageProvider: {
        buildMismatchTokenMessage: ({ expected }) => tokenLabel(expected),
        buildNotAllInputParsedMessage: () => "",
        buildNoViableAltMessage: ({ expectedPathsPerAlt }) =>
          labels(expectedPathsPerAlt.flatMap((paths) => paths.map((path) => path[0]))),
        buildEarlyExitMessage: ({ expectedIterationPaths }) => labels(expectedIterationPaths.map((path) => path[0])),
      },
    })
    // The base constructor puts its own version on the instance.
    this.engine.attemptInRepetitionRecovery = this.afterRepetition
  }

  /** Forget the last file. */
  restart(tokens: IToken[]): void {
    this.input = tokens
    this.problems.length = 0
  }

  /** Called when no further line begins: it should be because the brackets end here. */
  private afterRepetition(repeat: (...args: unknown[]) => unknown, args: unknown[], lookahead: () => boolean): void {
    const rule = this.engine.getCurrRuleFullName()
    if (!REPEATING.has(rule)) return
    while (!this.atEnd() && !CLOSERS.has(this.LA(1).tokenType) && !lookahead.call(this)) {
      const token = this.LA(1)
      this.report({ kind: "stray", token, previous: this.LA(0), rule })
      const { depth } = noteOf(token)
      this.engine.consumeToken()
      this.skipTo((next) => next.depth < depth || (next.depth === depth && next.begins))
    }
    if (!this.atEnd() && !CLOSERS.has(this.LA(1).tokenType)) repeat.apply(this, args)
  }

  /** Called by Chevrotain when a rule failed. */
  protected invokeRuleCatch(error: Error): CstNode {
    if (!isRecognitionException(error)) throw error
    const exception = error as IRecognitionException & { partialCstResult?: CstNode; reported?: boolean }
    const node = this.engine.CST_STACK[this.engine.CST_STACK.length - 1] as {
      -readonly [K in keyof CstNode]: CstNode[K]
    }
    node.recoveredNode = true
    const rule = node.name
    const isOutermost = this.engine.RULE_STACK_IDX === 0
    if (!LINES.has(rule) && !PARTS.has(rule) && !isOutermost) {
      exception.partialCstResult = node
      throw exception
    }

    const begin = firstToken(node) ?? exception.token
    const expected = exception.message === "" ? [] : exception.message.split("\n")
    const failing = exception.context.ruleStack[exception.context.ruleStack.length - 1] ?? rule
    this.report({ kind: "failed", token: exception.token, rule: failing, expected, begin })
    if (isOutermost) {
      this.engine.moveToTerminatedState()
      return node
    }
    const { depth, index } = noteOf(begin)
    if (PARTS.has(rule)) {
      this.skipTo((next, token) => next.depth < depth || (next.depth === depth && token.tokenType === Comma))
    } else {
      // Something has to be left behind, or the same line would fail again for ever.
      if (noteOf(this.LA(1)).index === index) this.engine.consumeToken()
      this.skipTo((next) => next.depth < depth || (next.depth === depth && next.begins))
    }
    return node
  }

  /** Called by Chevrotain to mend within a rule, by inserting or deleting a token: never done. */
  protected consumeInternalRecovery(_type: TokenType, _index: number, error: Error): never {
    throw error
  }

  private report(problem: Problem): void {
    this.problems.push(problem)
    if (this.problems.length >= MAX_PROBLEMS) this.engine.moveToTerminatedState()
  }

  private skipTo(found: (note: ReturnType<typeof noteOf>, token: IToken) => boolean): void {
    while (!this.atEnd() && !found(noteOf(this.LA(1)), this.LA(1))) this.engine.consumeToken()
  }

  private atEnd(): boolean {
    return this.LA(1).payload === undefined
  }
}

function labels(types: readonly (TokenType | undefined)[]): string {
  return [...new Set(types.map((type) => (type === undefined ? "" : tokenLabel(type))))].join("\n")
}

/** The first token of a node that may be incomplete. */
export function firstToken(node: CstNode): IToken | undefined {
  let first: IToken | undefined
  for (const children of Object.values(node.children)) {
    for (const child of children) {
      const token = isNode(child) ? firstToken(child) : child
      if (token !== undefined && (first === undefined || noteOf(token).index < noteOf(first).index)) first = token
    }
  }
  return first
}

export function isNode(element: CstElement): element is CstNode {
  return "children" in element
}
