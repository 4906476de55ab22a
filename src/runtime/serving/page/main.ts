/**
 * The page of `mdl serve`: an image, a note, and what the model makes of them, while one types.
 *
 * Takes: what a person drops, types and moves. Gives: the mask, heat maps and words of interest. After each prediction the
 * document tells an event `prediction` with the outputs, for tools and tests that drive the page.
 */

import { type CaseOutputs, type Interest, interestsOf } from "../../prediction/interest.js"
import { resizeNearest } from "../../prediction/resize.js"
import type { ServedModel } from "../protocol.js"
import { drawHeat, drawMask, drawPicture, maskFile } from "./drawing.js"
import { elements } from "./elements.js"
import { type Feeds, type Inference, loadInference } from "./inference.js"
import { fetchExample, fetchModel, type ReadyImage, type ReadyNote, sendImage, sendNote } from "./server.js"
import { showWords } from "./words.js"

/** How long nobody has typed before a prediction is made. */
const PAUSE_MS = 150
/** The server's own limit. */
const MOST_IMAGE_BYTES = 2 ** 26

interface Prediction {
  readonly outputs: CaseOutputs
  readonly interests: readonly Interest[]
}

const state: {
  image: ReadyImage | undefined
  note: ReadyNote | undefined
  file: File | undefined
  prediction: Prediction | undefined
} = { image: undefined, note: undefined, file: undefined, prediction: undefined }

/** How often image and note were changed: an answer to a change that a later one has overtaken is dropped. */
const turns = { image: 0, note: 0 }

async function begin(): Promise<void> {
  const model = await fetchModel()
  describe(model)
  say("Loading the model ...")
  const inference = await loadInference("/model.onnx")
  say(
    `Ready. The model runs in this browser (${inference.threads === 1 ? "1 thread" : `${inference.threads} threads`}).`,
  )
  const predict = (): Promise<void> => showPrediction(model, inference)

  listenForImages(predict)
  let timer: ReturnType<typeof setTimeout> | undefined
  elements.note.addEventListener("input", () => {
    clearTimeout(timer)
    timer = setTimeout(() => attempt(() => changeNote(model, predict)), PAUSE_MS)
  })
  elements.threshold.addEventListener("input", () => drawResult(model))
  elements.showMask.addEventListener("change", () => (elements.mask.hidden = !elements.showMask.checked))
  elements.heatChoice.addEventListener("change", () => drawChosenHeat())
  elements.download.addEventListener("click", () => attempt(() => download(model)))
  elements.exampleList.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null
    if (button === null) return
    const index = Number(button.dataset["index"])
    attempt(async () => {
      elements.note.value = model.examples[index]!.note
      await changeImage(() => fetchExample(index), undefined)
      await changeNote(model, predict)
    })
  })
  await changeNote(model, predict)
  document.body.dataset["ready"] = "true"
}

function describe(model: ServedModel): void {
  document.title = `${model.variant} - mdl serve`
  elements.model.textContent = model.variant
  elements.weights.textContent = model.weights
  elements.noteRow.hidden = model.note === null
  elements.examples.hidden = model.examples.length === 0
  elements.exampleList.replaceChildren(
    ...model.examples.map(({ id, note }, index) => {
      const button = document.createElement("button")
      button.type = "button"
      button.dataset["index"] = String(index)
      button.title = note === "" ? id : `${id}: ${note}`
      const picture = document.createElement("img")
      picture.src = `/api/examples/${index}/thumbnail.png`
      picture.alt = button.title
      picture.loading = "lazy"
      button.append(picture)
      return button
    }),
  )
}

function listenForImages(predict: () => Promise<void>): void {
  const take = (file: File | undefined): void => {
    if (file === undefined) return
    elements.partRow.hidden = !/\.(nii|nii\.gz|dcm|dicom|tif|tiff)$/i.test(file.name)
    attempt(async () => {
      if (file.size > MOST_IMAGE_BYTES) throw new Error(`${file.name} is larger than ${MOST_IMAGE_BYTES / 2 ** 20} MiB`)
      const part = elements.partRow.hidden ? "" : elements.part.value.trim()
      await changeImage(() => sendImage(file, part), file)
      await predict()
    })
  }
  elements.file.addEventListener("change", () => take(elements.file.files?.[0]))
  elements.part.addEventListener("change", () => take(state.file))
  for (const kind of ["dragenter", "dragover"]) {
    elements.drop.addEventListener(kind, (event) => {
      event.preventDefault()
      elements.drop.classList.add("over")
    })
  }
  for (const kind of ["dragleave", "drop"]) {
    elements.drop.addEventListener(kind, () => elements.drop.classList.remove("over"))
  }
  // A file that misses the field would otherwise replace the page.
  for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault())
  elements.drop.addEventListener("drop", (event) => take(event.dataTransfer?.files[0]))
}

async function changeImage(fetchIt: () => Promise<ReadyImage>, file: File | undefined): Promise<void> {
  const mine = ++turns.image
  state.file = file
  const image = await fetchIt()
  if (mine !== turns.image) return
  state.image = image
  state.prediction = undefined
  elements.stage.classList.add("filled")
  elements.partRow.hidden = file === undefined || elements.partRow.hidden
  drawPicture(elements.picture, [elements.heat, elements.mask], image.picture)
  elements.picture.setAttribute("aria-label", `${image.name}, ${image.size.width} by ${image.size.height} pixels`)
}

async function changeNote(model: ServedModel, predict: () => Promise<void>): Promise<void> {
  if (model.note !== null) {
    const mine = ++turns.note
    const note = await sendNote(elements.note.value)
    if (mine !== turns.note) return
    state.note = note
    elements.noteState.textContent =
      note.total > note.valid
        ? `The note is longer than the model reads: ${note.total} tokens were cut to ${note.valid}.`
        : `${note.valid} of ${model.note.length} tokens`
    elements.noteState.classList.toggle("warning", note.total > note.valid)
  }
  await predict()
}

async function showPrediction(model: ServedModel, inference: Inference): Promise<void> {
  const { image, note } = state
  if (image === undefined || (model.note !== null && note === undefined)) return
  elements.stage.setAttribute("aria-busy", "true")
  say("Predicting ...")
  const result = await inference.run(feedsOf(model, image, note))
  // A later change has taken over, and shows its own when it is done.
  if (result === undefined || image !== state.image || note !== state.note) return
  elements.stage.removeAttribute("aria-busy")
  const { outputs, seconds } = result
  const interests = interestsOf(model.outputs, outputs, model.image.size, model.note?.length ?? 0, note?.valid ?? 0)
  state.prediction = { outputs, interests }
  offerHeatMaps(interests)
  drawResult(model)
  drawChosenHeat()
  showWords(
    elements.words,
    note?.pieces,
    interests.filter((interest) => interest.kind === "words"),
  )
  elements.download.disabled = false
  say(`${image.name}: predicted in ${seconds.toFixed(2)} s`)
  document.dispatchEvent(new CustomEvent("prediction", { detail: { note: note?.text ?? "", outputs } }))
}

function feedsOf({ image: port, note: reads }: ServedModel, image: ReadyImage, note: ReadyNote | undefined): Feeds {
  const { height, width } = port.size
  const shape = [1, image.input.length / (height * width), height, width]
  const feeds = { [port.name]: { type: "float32" as const, shape, data: image.input } }
  if (reads === null || note === undefined) return feeds
  const words = [1, reads.length]
  const valid = new Float32Array(reads.length).fill(1, 0, note.valid)
  return {
    ...feeds,
    [`${reads.name}_ids`]: { type: "int32", shape: words, data: note.ids },
    [`${reads.name}_valid`]: { type: "float32", shape: words, data: valid },
  }
}

/** Keeps the choice while the model has that map. */
function offerHeatMaps(interests: readonly Interest[]): void {
  const names = interests.filter((interest) => interest.kind === "patches").map(({ name }) => name)
  elements.heatRow.hidden = names.length === 0
  const offered = [...elements.heatChoice.options].slice(1).map(({ value }) => value)
  if (offered.join("\n") === names.join("\n")) return
  elements.heatChoice.replaceChildren(new Option("none", ""), ...names.map((name) => new Option(name, name)))
}

function drawChosenHeat(): void {
  const chosen = elements.heatChoice.value
  const found = state.prediction?.interests.find(({ kind, name }) => kind === "patches" && name === chosen)
  drawHeat(elements.heat, found?.kind === "patches" ? found : undefined)
}

/** The mask at the chosen threshold, and what can be said of it. */
function drawResult({ mask, image: { size } }: ServedModel): void {
  const threshold = Number(elements.threshold.value)
  elements.thresholdValue.value = threshold.toFixed(2)
  const { prediction, image } = state
  if (prediction === undefined || image === undefined) return
  const probability = prediction.outputs[mask]!.data
  drawMask(elements.mask, probability, size, threshold)
  const own = resizeNearest(probability, size, image.size)
  const pixels = own.reduce((count, value) => count + (value > threshold ? 1 : 0), 0)
  const share = `${((100 * pixels) / own.length).toFixed(2)} %`
  elements.area.textContent = `${share} (${pixels.toLocaleString("en-US")} pixels)`
  elements.mask.setAttribute("aria-label", `Mask: ${share} of the image`)
  const { truth } = image
  elements.scoreRow.hidden = truth === undefined
  if (truth !== undefined) elements.score.textContent = diceOf(probability, truth, threshold).toFixed(4)
}

/** 2 TP / (|P| + |G| + 1e-5), the convention "lvit" of `mdl eval`. */
function diceOf(probability: Float32Array, truth: Uint8Array, threshold: number): number {
  let [both, sum] = [0, 0]
  truth.forEach((value, index) => {
    const predicted = probability[index]! > threshold ? 1 : 0
    both += predicted * value
    sum += predicted + value
  })
  return (2 * both) / (sum + 1e-5)
}

async function download({ mask, image: { size } }: ServedModel): Promise<void> {
  const { prediction, image } = state
  if (prediction === undefined || image === undefined) return
  const file = await maskFile(prediction.outputs[mask]!.data, size, image.size, Number(elements.threshold.value))
  const link = document.createElement("a")
  link.href = URL.createObjectURL(file)
  link.download = `${image.name.replace(/\.(nii\.gz|[a-z0-9]{1,5})$/i, "").replaceAll("/", "_")}.mask.png`
  link.click()
  URL.revokeObjectURL(link.href)
}

/** Runs what a person asked for; when it fails, says why, and the page goes on. */
function attempt(work: () => Promise<void>): void {
  elements.problem.textContent = ""
  elements.problem.hidden = true
  work().catch(showProblem)
}

function showProblem(thrown: unknown): void {
  elements.stage.removeAttribute("aria-busy")
  elements.problem.textContent = thrown instanceof Error ? thrown.message : String(thrown)
  elements.problem.hidden = false
}

function say(text: string): void {
  elements.status.textContent = text
}

begin().catch((thrown: unknown) => {
  showProblem(thrown)
  say("The model could not be loaded.")
})
