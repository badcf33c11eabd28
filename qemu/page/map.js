// The slots of the software TLB as a map, as the selected miss found them, or as they would be with another size or hash.

const map = $('map');
const lens = $('lens');
let looked = 0; // the slot that is looked at
let cells = new Map(); // slot: the lines that stand there, or would
let grid = { columns: 1, rows: 1, size: 1 };

// The lines, by slot. Those of the overflow buffer have none, but would with another table.
function fillCells() {
  cells = new Map();
  for (const entry of lines()) {
    if (ownTables() && !inTable(entry)) continue;
    const slot = ownTables() ? entry.place : slotOf(entry.context, settings.slots, settings.hash);
    cells.set(slot, [...(cells.get(slot) ?? []), entry]);
  }
}

// As many columns as can be told apart in this width.
function layOut() {
  const most = map.clientWidth < 560 ? 64 : 128;
  const columns = settings.slots < 32 * most ? most / 2 : most;
  grid = { columns, rows: settings.slots / columns, size: map.clientWidth / columns };
}

const place = (slot) => ({ x: (slot % grid.columns) * grid.size, y: Math.floor(slot / grid.columns) * grid.size });

function drawMap() {
  layOut();
  const context = pen(map, grid.rows * grid.size);
  drawGrid(context);
  drawCrosshair(context);
  for (const [slot, entries] of cells) drawCell(context, entries, place(slot), grid.size);
  if (ownTables()) for (const slot of collisions.keys()) drawCollision(context, place(slot), grid.size);
  drawTarget(context);
}

function drawGrid(context) {
  const { columns, rows, size } = grid;
  const gap = Math.max(size * 0.3, 1);
  context.fillStyle = '#e9ecf0';
  context.fillRect(0, 0, columns * size, rows * size);
  context.fillStyle = PAPER;
  for (let column = 0; column <= columns; column += 1) context.fillRect(column * size - gap / 2, 0, gap, rows * size);
  for (let row = 0; row <= rows; row += 1) context.fillRect(0, row * size - gap / 2, columns * size, gap);
}

// The slot of what the section above shows: the selected miss, or the reader's own numbers.
const targetSlot = () => slotOf(settingsContext(), settings.slots, settings.hash);

function drawCrosshair(context) {
  const { x, y } = place(targetSlot());
  context.fillStyle = '#fff1c2';
  context.fillRect(x, 0, grid.size, grid.rows * grid.size);
  context.fillRect(0, y, grid.columns * grid.size, grid.size);
}

function drawTarget(context) {
  const { x, y } = place(targetSlot());
  const around = Math.min(Math.max(grid.size * 0.5, 3), 6);
  context.strokeStyle = INK;
  context.lineWidth = 2;
  context.strokeRect(x - around, y - around, grid.size + 2 * around, grid.size + 2 * around);
}

function drawCell(context, entries, { x, y }, size) {
  const inset = size * 0.07;
  if (entries.length === 1) {
    drawEnvironment(context, environmentOf(entries[0].context), x + inset, y + inset, size - 2 * inset);
    return;
  }
  context.fillStyle = INK;
  context.fillRect(x, y, size, size);
  context.fillStyle = PAPER;
  context.font = font(size * (entries.length < 10 ? 0.85 : 0.6), 'bold');
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillText(String(entries.length), x + size / 2, y + size * 0.55);
}

// A corner that is cut off, and a frame: seen on a full cell and on an empty one.
function drawCollision(context, { x, y }, size) {
  context.strokeStyle = context.fillStyle = INK;
  context.lineWidth = Math.max(size * 0.14, 1);
  context.strokeRect(x, y, size, size);
  polygon(context, [[x + size, y], [x + size, y + size * 0.6], [x + size * 0.4, y]]);
  context.fill();
}

const LENS = { columns: 9, rows: 3 };

function drawLens() {
  const size = lens.clientWidth / LENS.columns;
  const context = pen(lens, size * LENS.rows);
  const row = Math.floor(looked / grid.columns);
  const column = looked % grid.columns;
  const within = (value, length, end) => Math.min(Math.max(value - Math.floor(length / 2), 0), Math.max(end - length, 0));
  const fromRow = within(row, LENS.rows, grid.rows);
  const fromColumn = within(column, LENS.columns, grid.columns);
  for (let r = 0; r < LENS.rows; r += 1) {
    for (let c = 0; c < LENS.columns; c += 1) {
      const slot = (fromRow + r) * grid.columns + fromColumn + c;
      if (slot < settings.slots) drawLensCell(context, slot, c * size, r * size, size);
    }
  }
}

function drawLensCell(context, slot, x, y, size) {
  const box = { x: x + size * 0.06, y: y + size * 0.06 };
  const side = size * 0.88;
  const entries = cells.get(slot);
  context.fillStyle = '#e9ecf0';
  context.fillRect(box.x, box.y, side, side);
  const inner = { x: box.x + side * 0.28, y: box.y + side * 0.1 };
  if (entries) drawCell(context, entries, inner, side * 0.44);
  if (ownTables() && collisions.has(slot)) drawCollision(context, inner, side * 0.44);
  context.fillStyle = INK;
  context.font = font(size * 0.24, slot === looked ? 'bold' : '');
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillText(String(slot), x + size / 2, y + size * 0.77);
  context.strokeStyle = INK;
  context.lineWidth = 2.5;
  if (slot === looked) context.strokeRect(box.x, box.y, side, side);
}

const pagesOf = (entry) => entry.lo.map((lo, half) => `${hex(addressOf(entry.context) + half * PAGE_BYTES)} → ${describeLo(lo)}`);

function lineItem(entry) {
  const from = inTable(entry) ? '' : ` (from the overflow buffer, ${entry.place - shape.slots})`;
  return element('li', {}, environmentMark(environmentOf(entry.context)), ` ${environmentName(environmentOf(entry.context), entry.context)}${from}: Context `,
    element('code', {}, hex(entry.context)), element('br'), pagesOf(entry).join('; '));
}

function look(slot) {
  looked = Math.min(Math.max(slot, 0), settings.slots - 1);
  $('map-slot').value = looked;
  const entries = cells.get(looked) ?? [];
  const went = ownTables() ? collisions.get(looked) ?? [] : [];
  const text = went.length ? `A line had to make room here at miss ${listed(went.map((miss) => count(miss.n)))} of the run.` : '';
  $('map-readout').replaceChildren(
    entries.length ? element('ul', {}, entries.map(lineItem)) : element('p', {}, 'This slot is empty.'), element('p', {}, text));
}

function lookAt(slot) {
  look(slot);
  drawLens();
}

function showSummary() {
  const all = lines();
  const table = all.filter(inTable).length;
  $('map-summary').textContent = `${plural(table, 'slot')} of ${count(shape.slots)} ${table === 1 ? 'holds' : 'hold'} a line. The box, where the pale lines cross, is around the slot that is looked for.`;
  const other = !ownTables();
  $('map-what-if').hidden = !other;
  if (!other) return;
  const collided = all.length - cells.size;
  const back = element('button', { type: 'button', id: 'map-back' }, 'Back to the table as it is');
  back.addEventListener('click', () => { change({ slots: shape.slots, hash: machine }); writeForm(); });
  $('map-what-if').replaceChildren(
    element('strong', {}, 'What if? '), `With ${count(settings.slots)} slots and hash “${HASH_TITLES[settings.hash]}”, the ${plural(all.length, 'line')} that stand in table and overflow buffer now would take ${plural(cells.size, 'slot')}: `,
    element('strong', { id: 'map-collisions', 'data-collisions': collided }, plural(collided, 'collision')), '. Black cells, with the number of lines, show where. ', back);
}

function showLegend() {
  const of = (environment) => lines().filter((entry) => environmentOf(entry.context) === environment).length;
  const item = (drawn, text) => element('li', {}, drawn, ` ${text}`);
  const items = environmentNumbers.map((n) => item(environmentMark(n), `environment ${n}, tag ${hex(tagField(record.environments[n].tag), 3)}: ${plural(of(n), 'line')}`));
  if (of(undefined)) items.push(item(environmentMark(undefined), `others: ${plural(of(undefined), 'line')}`));
  if (ownTables()) items.push(item(mark((context) => drawCollision(context, { x: 2, y: 2 }, 12)), `collision: a line had to make room here in this run (${plural(collisions.size, 'slot')})`));
  $('map-legend').replaceChildren(...items);
}

function showOverflow() {
  $('overflow-panel').hidden = !ownTables();
  $('overflow').replaceChildren(...Array.from({ length: shape.overflow }, (_, n) => {
    const entry = tables.stlb.get(shape.slots + n);
    if (!entry) return element('li', { class: 'empty' }, 'empty');
    return element('li', { 'data-context': entry.context }, environmentMark(environmentOf(entry.context)), ` ${lineName(entry.context)}, slot ${slotOf(entry.context)}`);
  }));
}

function showMap() {
  $('map-slot').max = settings.slots - 1;
  fillCells();
  showSummary();
  showLegend();
  showOverflow();
  look(targetSlot());
  drawSoon();
}

// However much changes at once, it is drawn once.
let drawing = null;
function drawSoon() {
  drawing ??= requestAnimationFrame(() => {
    drawing = null;
    drawMap();
    drawLens();
  });
}

function slotAt(event) {
  const box = map.getBoundingClientRect();
  const column = Math.floor(((event.clientX - box.left) / box.width) * grid.columns);
  const row = Math.floor(((event.clientY - box.top) / box.height) * grid.rows);
  const inside = column >= 0 && row >= 0 && column < grid.columns && row < grid.rows;
  return inside ? row * grid.columns + column : null;
}

function startMap() {
  const follow = (event) => { const slot = slotAt(event); if (slot !== null && slot !== looked) lookAt(slot); };
  map.addEventListener('pointermove', follow);
  map.addEventListener('pointerdown', follow);
  $('map-slot').addEventListener('input', () => { if ($('map-slot').value !== '') lookAt(Number($('map-slot').value)); });
  onSettings(showMap);
}
