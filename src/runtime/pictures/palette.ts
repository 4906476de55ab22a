/**
 * The colours of pictures.
 *
 * Takes nothing; gives rules of style for a light and a dark surface. Colours are written out in every rule, without
 * variables, since programs that put an SVG into a paper know none; a role of sections has a hue of its own, and nothing is told by hue
 * alone: roles stand in the titles of groups, kinds of boxes differ in form.
 */

import { METRICS } from "../../compiler/picture/layout.js"

interface Surface {
  readonly page: string
  readonly text: string
  readonly soft: string
  readonly edge: string
  readonly face: string
  /** by hue: the line of boxes and groups, the face of boxes, the ground of groups */
  readonly hues: Readonly<Record<Hue, readonly [line: string, face: string, ground: string]>>
}

const HUES = ["blue", "violet", "green", "amber", "rose", "teal", "slate", "red"] as const
type Hue = (typeof HUES)[number]

const LIGHT: Surface = {
  ...{ page: "#ffffff", text: "#171b24", soft: "#566072", edge: "#6b7588", face: "#ffffff" },
  hues: {
    blue: ["#3b73c8", "#e3edfb", "#f5f9fe"],
    violet: ["#7a56c4", "#ece5fa", "#f9f7fe"],
    green: ["#2c8a57", "#dff2e6", "#f4fbf6"],
    amber: ["#b7791f", "#fbeed2", "#fefaf0"],
    rose: ["#c0487e", "#fae3ee", "#fef6fa"],
    teal: ["#1f8a92", "#dcf1f2", "#f3fafb"],
    slate: ["#6b7588", "#eef1f5", "#f8f9fb"],
    red: ["#c2453d", "#fbe5e3", "#fef7f6"],
  },
}

const DARK: Surface = {
  ...{ page: "#11141a", text: "#eceff5", soft: "#a3adbd", edge: "#8792a5", face: "#1a1e26" },
  hues: {
    blue: ["#6ea3f0", "#1d2f4c", "#141c29"],
    violet: ["#ab8ff0", "#302650", "#1b1829"],
    green: ["#5fc28b", "#17382a", "#121f1a"],
    amber: ["#dba64a", "#3d2f12", "#201b12"],
    rose: ["#ea82b2", "#45203a", "#24161e"],
    teal: ["#55bcc4", "#123a3e", "#111f22"],
    slate: ["#8f9aad", "#262c37", "#171b22"],
    red: ["#f08078", "#472320", "#251716"],
  },
}

/** The hue of a role; what has none is slate. */
const ROLES: Readonly<Record<string, Hue>> = {
  encoder: "blue",
  interaction: "violet",
  fusion: "violet",
  decoder: "green",
  head: "green",
  reconstruction: "amber",
  contrastive: "rose",
  neck: "teal",
}

/** The class that gives a role its hue. */
export const hueOf = (role: string): Hue => ROLES[role] ?? "slate"

/** Fonts that are on most machines; the layout reckons with the widths of these. */
const SANS = `Inter, "Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif`
const CODE = `ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace`

/** What does not depend on the surface. */
const FORMS = `
.picture { font-family: ${SANS}; }
.picture text { text-anchor: middle; }
.picture .group text { text-anchor: start; font-size: ${METRICS.title}px; paint-order: stroke; stroke-width: 5px; stroke-linejoin: round; }
.picture .group .name { font-weight: 700; }
.picture .group .note { text-anchor: end; font-size: 11px; }
.picture .group rect { stroke-width: 1; }
.picture .training > rect { stroke-dasharray: 6 4; }
.picture .name { font-size: ${METRICS.name}px; font-weight: 600; }
.picture .what { font-size: ${METRICS.what}px; }
.picture .shape, .picture .flow { font-family: ${CODE}; font-size: ${METRICS.shape}px; }
.picture .face, .picture .under { stroke-width: 1.25; }
.picture .output .face { stroke-width: 2.5; }
.picture .given .face, .picture .result .face { stroke-dasharray: 3 3; }
.picture .edge .line { fill: none; stroke-width: 1.3; }
.picture .edge .flow { visibility: hidden; paint-order: stroke; stroke-width: 4px; stroke-linejoin: round; }
.picture .frost { fill: none; stroke-width: 1.3; stroke-linecap: round; }
.picture .more { fill: none; stroke-width: 1.6; stroke-linecap: round; }`

function coloursOf({ page, text, soft, edge, face, hues }: Surface): string {
  const hued = HUES.map((hue) => {
    const [line, tint, ground] = hues[hue]
    const at = `.picture .${hue}`
    return `${at} .face, ${at} .under { fill: ${tint}; stroke: ${line}; }
${at}.group > rect { fill: ${ground}; stroke: ${line}; }
${at} .role, ${at} .note { fill: ${line}; }
${at}.group text { stroke: ${ground}; }
${at} .frost, ${at} .more { stroke: ${line}; }`
  })
  return `.picture .surface { fill: ${page}; }
.picture text { fill: ${text}; }
.picture .what, .picture .shape { fill: ${soft}; }
.picture .edge .line { stroke: ${edge}; }
.picture .edge .head { fill: ${edge}; }
.picture .edge .flow { fill: ${text}; stroke: ${page}; }
.picture .given .face, .picture .result .face { fill: ${face}; }
${hued.join("\n")}`
}

/** The style of pictures: light, and dark on screens that ask for it; paper is light. */
export const PICTURE_STYLE = `${FORMS}
${coloursOf(LIGHT)}
@media screen and (prefers-color-scheme: dark) {
${coloursOf(DARK)}
}
`
