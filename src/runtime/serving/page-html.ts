/**
 * The page of `mdl serve`, without what the model says: that is filled in by page/main.ts.
 *
 * Every control is a native one with a label, so that the keyboard and screen readers work without further ado; what
 * changes by itself is in live regions.
 */

/** The document. Ids are those of page/elements.ts. */
export function pageHtml(): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>mdl serve</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
<script type="module" src="/app/serving/page/main.js"></script>
</head>
<body>
<header>
  <h1 id="model">mdl serve</h1>
  <p id="weights"></p>
</header>
<p id="problem" class="problem" role="alert" hidden></p>
<main>
  <section aria-label="Image">
    <div id="stage" class="stage">
      <label id="drop" class="drop" for="file">
        <span class="canvases">
          <canvas id="picture" role="img" aria-label="No image yet" width="1" height="1"></canvas>
          <canvas id="heat" aria-hidden="true" width="1" height="1"></canvas>
          <canvas id="mask" role="img" aria-label="No mask yet" width="1" height="1"></canvas>
        </span>
        <span class="invitation"><strong>Drop an image here</strong> or choose a file: PNG, JPEG, TIFF, BMP, NIfTI, DICOM</span>
      </label>
      <input id="file" class="file" type="file"
        accept=".png,.jpg,.jpeg,.tif,.tiff,.bmp,.nii,.gz,.dcm,.dicom,image/png,image/jpeg,image/tiff,image/bmp">
    </div>
    <p id="part-row" hidden>
      <label for="part">Slice, frame or page of the file, such as <code>z=12</code></label>
      <input id="part" type="text" autocomplete="off" spellcheck="false">
    </p>
    <p id="status" class="status" role="status">Loading ...</p>
  </section>
  <section aria-label="Note and result" class="controls">
    <div id="note-row">
      <label for="note">Note</label>
      <textarea id="note" rows="3" spellcheck="false" placeholder="What to segment, such as: upper left lung"></textarea>
      <p id="note-state" class="hint"></p>
      <div id="words" class="words"></div>
    </div>
    <div>
      <label for="threshold">Threshold of the probability: <output id="threshold-value" for="threshold">0.50</output></label>
      <input id="threshold" type="range" min="0" max="0.99" step="0.01" value="0.5">
    </div>
    <div class="row">
      <label class="check"><input id="show-mask" type="checkbox" checked> Show the mask</label>
      <span id="heat-row" hidden>
        <label for="heat-choice">Heat map</label>
        <select id="heat-choice"></select>
      </span>
    </div>
    <dl class="facts">
      <div><dt>Mask</dt><dd id="area">-</dd></div>
      <div id="score-row" hidden><dt>Dice with the true mask</dt><dd id="score">-</dd></div>
    </dl>
    <button id="download" type="button" disabled>Download the mask (PNG)</button>
  </section>
</main>
<section id="examples" class="examples" aria-label="Examples" hidden>
  <h2>Examples <small>from the run's data set</small></h2>
  <div id="example-list" class="example-list"></div>
</section>
<footer>Images stay on this machine: the server reads them, the model runs in this browser.</footer>
</body>
</html>
`
}
