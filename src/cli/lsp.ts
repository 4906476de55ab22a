/**
 * `mdl lsp`: the language server, for editors to start. It speaks over standard input and output.
 */

import { Command } from "commander"

/** The command `lsp`. */
export function lspCommand(): Command {
  return new Command("lsp")
    .description("the language server, for editors: speaks the language server protocol over stdin and stdout")
    .option("--stdio", "what editors add to say how they speak; there is no other way")
    .action(async () => {
      const { createConnection } = await import("vscode-languageserver/node")
      const { serve } = await import("../language-server/server.js")
      // The connection ends the process when the editor says so, or is gone.
      serve(createConnection(process.stdin, process.stdout))
      await new Promise(() => {})
    })
}
