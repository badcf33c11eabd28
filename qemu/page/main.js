// Puts the page together: hides what the record has nothing for, and listens.

const hasMisses = misses.length > 0;
const hasWalk = Boolean(walk?.steps.length);

const has = { misses: hasMisses, walk: hasWalk };
for (const part of document.querySelectorAll('[data-needs]')) part.hidden = !has[part.dataset.needs];

// Which does an arrow key step through, where nothing that knows arrow keys has the focus?
function stepsWalk() {
  if (!hasWalk || !hasMisses) return hasWalk;
  const box = $('walk').getBoundingClientRect();
  return box.top < window.innerHeight / 2 && box.bottom > window.innerHeight / 2;
}

function onKey(event) {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const taken = event.target.closest('input, select, textarea') || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
  if (!by || taken) return;
  event.preventDefault();
  if (stepsWalk()) show(step + by);
  else select(selected + by);
}

let playing = null;

function play(on) {
  clearInterval(playing);
  playing = on ? setInterval(() => (selected < misses.length ? select(selected + 1) : play(false)), 500) : null;
  $('miss-play').textContent = on ? 'Pause' : 'Play';
  $('miss-play').setAttribute('aria-pressed', String(on));
}

function showTransport(miss) {
  $('miss-slider').value = miss.n;
  $('miss-number').textContent = `Miss ${count(miss.n)} of ${count(misses.length)}`;
  $('miss-previous').disabled = miss.n === 1;
  $('miss-next').disabled = miss.n === misses.length;
}

function startTransport() {
  $('miss-slider').max = misses.length;
  $('miss-slider').addEventListener('input', () => select(Number($('miss-slider').value)));
  $('miss-previous').addEventListener('click', () => select(selected - 1));
  $('miss-next').addEventListener('click', () => select(selected + 1));
  $('miss-play').addEventListener('click', () => play(playing === null));
  onSelect(showTransport);
}

function redraw() {
  if (!hasMisses) return;
  drawTimeline();
  drawMap();
  drawLens();
}

showHead();
if (hasMisses) {
  startTransport();
  startTimeline();
  startSlot();
  startTlb();
  startMap();
  showTotals();
  select(walk?.miss ?? 1);
  setZoom(1);
}
if (hasWalk) startWalk();
document.addEventListener('keydown', onKey);
window.addEventListener('resize', redraw);
window.addEventListener('beforeprint', redraw);

// For whoever looks at the page from outside, as its tests do.
window.aegis = {
  context: (tag, address) => contextOf(tag, address),
  slot: (context, slots, hash) => slotOf(context, slots, hash),
  select,
  tables: () => ({ n: tables.n, stlb: lines(), tlb: [...tables.tlb].map(([index, maps]) => ({ index, maps })) }),
};
