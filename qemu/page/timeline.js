// The misses over the instructions executed, one lane for each who answered.

const MARGIN = 0.02;
const firstAt = misses[0]?.at ?? 0;
const missesLength = Math.max((misses.at(-1)?.at ?? 0) - firstAt, 1);
const wholeLength = missesLength * (1 + 2 * MARGIN);
const ZOOM_STEP = 4;
const GREATEST_ZOOM = ZOOM_STEP ** Math.max(0, Math.ceil(Math.log2(misses.length / 8) / 2)); // a few marks then remain
let zoom = 1;
let marks = []; // where each was drawn: what a click hits

const timeline = $('timeline');

// However much changes at once, it is drawn once.
let drawingTimeline = null;
function drawTimelineSoon() {
  drawingTimeline ??= requestAnimationFrame(() => {
    drawingTimeline = null;
    drawTimeline();
  });
}

// The instructions that are shown: around the selected miss, but no further than the run.
function shownInstructions() {
  const length = wholeLength / zoom;
  const start = firstAt - missesLength * MARGIN;
  const from = Math.min(Math.max(selectedMiss().at - length / 2, start), start + wholeLength - length);
  return { from, length };
}

function drawTimeline() {
  const size = rootSize();
  const lane = size * 1.9;
  const narrow = timeline.clientWidth < 640;
  const left = narrow ? size * 2.2 : size * 13;
  const context = pen(timeline, lane * PATHS.length + size * 2);
  const plot = { left, right: timeline.clientWidth - size, bottom: lane * PATHS.length, ...shownInstructions() };
  const x = (at) => plot.left + ((at - plot.from) / plot.length) * (plot.right - plot.left);
  PATHS.forEach(({ path, title }, n) => drawLane(context, plot, path, narrow ? '' : title, (n + 0.5) * lane, size));
  drawScale(context, plot, x, size);
  drawSelection(context, plot, x);
  drawMisses(context, plot, x, lane, size);
}

function drawLane(context, plot, path, title, y, size) {
  context.strokeStyle = FAINT;
  context.lineWidth = 1;
  line(context, plot.left, y, plot.right, y);
  drawPath(context, path, size * 0.7, y, size * 0.42);
  context.fillStyle = INK;
  context.font = font(size * 0.9);
  context.textAlign = 'left';
  context.textBaseline = 'middle';
  context.fillText(title, size * 1.6, y);
}

// A step of 1, 2 or 5 times a power of ten that leaves room for its labels.
function scaleStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least);
}

function drawScale(context, plot, x, size) {
  const labels = Math.max(1, Math.floor((plot.right - plot.left) / (size * 8)));
  const step = scaleStep(plot.length / labels);
  context.font = font(size * 0.8);
  context.textAlign = 'center';
  for (let at = Math.ceil(plot.from / step) * step; at <= plot.from + plot.length; at += step) {
    if (at < 0) continue;
    context.strokeStyle = FAINT;
    context.lineWidth = 1;
    line(context, x(at), 0, x(at), plot.bottom + size * 0.3);
    context.fillStyle = INK;
    context.fillText(count(at), Math.min(Math.max(x(at), plot.left + size), plot.right - size), plot.bottom + size);
  }
}

function drawSelection(context, plot, x) {
  const at = x(selectedMiss().at);
  context.fillStyle = '#fff1c2';
  context.fillRect(at - 7, 0, 14, plot.bottom);
  context.strokeStyle = INK;
  context.lineWidth = 2;
  line(context, at, 0, at, plot.bottom);
}

function drawMisses(context, plot, x, lane, size) {
  marks = [];
  const inside = (miss) => miss.at >= plot.from && miss.at <= plot.from + plot.length;
  const order = [...misses.filter((miss) => inside(miss) && miss.n !== selected), selectedMiss()];
  for (const miss of order) {
    const y = (PATHS.findIndex(({ path }) => path === miss.path) + 0.5) * lane;
    const chosen = miss.n === selected;
    drawPath(context, miss.path, x(miss.at), y, size * (chosen ? 0.75 : 0.42));
    marks.push({ n: miss.n, x: x(miss.at), y });
  }
}

// The mark that is nearest to a click; one in its own lane before one in another.
function hit(event) {
  const box = timeline.getBoundingClientRect();
  const distance = (at) => Math.abs(at.x - (event.clientX - box.left)) + 4 * Math.abs(at.y - (event.clientY - box.top));
  return marks.reduce((best, at) => (best && distance(best) <= distance(at) ? best : at), null);
}

function setZoom(value) {
  zoom = Math.min(Math.max(value, 1), GREATEST_ZOOM);
  $('zoom').textContent = zoom === 1 ? 'whole run' : `1/${count(zoom)} of it`;
  $('zoom-out').disabled = zoom === 1;
  $('zoom-in').disabled = zoom === GREATEST_ZOOM;
  drawTimeline();
}

const instructionsText = (n) => (n === null ? 'it never was' : plural(n, 'instruction'));

// All that is known of a miss, in words.
function facts(miss) {
  const evicted = miss.evicted?.maps;
  return {
    pc: ['Instruction at', `${hex(miss.pc)}${miss.symbol ? `, ${miss.symbol}` : ''}`],
    address: ['Address', `${hex(miss.address)} (${ACCESS_NOUN[miss.access]})`],
    environment: ['Environment', `${miss.environment}, process tag ${hex(tagField(miss.context), 3)}`],
    context: ['Context', `${hex(miss.context)}: ${pageWord} ${range(addressOf(miss.context))}`],
    slot: ['Slot', `${miss.slot} of ${count(shape.slots)}`],
    path: ['Answered by', pathTitle(miss.path)],
    vector: ['Kernel entered at', `${hex(miss.vector)}${miss.vector === 0x80000000 ? ', the refill vector' : ', the general vector: an entry is there, but not valid for this'}`],
    kernel: ['In the kernel', plural(miss.kernel, 'instruction')],
    instructions: ['Until the access was repeated', instructionsText(miss.instructions)],
    at: ['Before it', plural(miss.at, 'instruction')],
    depth: ['Within', miss.depth ? `the handling of ${plural(miss.depth, 'other miss', 'other misses')}` : 'no other miss'],
    spans: ['Markers open', miss.spans.length ? miss.spans.join(', ') : 'none'],
    loaded: ['Written to the hardware TLB', miss.loaded ? `entry ${miss.loaded.index}` : 'nothing'],
    evicted: ['Left the hardware TLB', evicted ? `entry ${miss.evicted.index}: environment ${evicted.environment}, ${pageWord} ${range(evicted.address)}` : 'nothing valid'],
    displaced: ['Had to make room in the table', miss.displaced === null ? 'nobody' : lineName(miss.displaced)],
    dropped: ['Dropped by the overflow buffer', miss.dropped === null ? 'nothing' : lineName(miss.dropped)],
  };
}

function showDetail(miss) {
  const what = `${ACCESS[miss.access]} ${hex(miss.address)}`;
  $('detail-title').replaceChildren(pathMark(miss.path), ` Miss ${count(miss.n)}: environment ${miss.environment} wants to ${what}`);
  $('detail-facts').replaceChildren(...Object.entries(facts(miss)).map(([name, [title, text]]) =>
    element('div', {}, element('dt', {}, title), element('dd', { 'data-field': name }, text))));
}

function startTimeline() {
  timeline.addEventListener('click', (event) => { const at = hit(event); if (at) select(at.n); });
  $('zoom-in').addEventListener('click', () => setZoom(zoom * ZOOM_STEP));
  $('zoom-out').addEventListener('click', () => setZoom(zoom / ZOOM_STEP));
  onSelect(drawTimelineSoon);
  onSelect(showDetail);
}
