// How (tag, page) becomes a slot, bit by bit. The words are the crate's; here they are only taken apart.

const settings = { address: 0, tag: 0, slots: shape.slots, hash: machine, taken: true };
const settingsWatchers = [];
const onSettings = (watcher) => settingsWatchers.push(watcher);

const GREATEST_TAG = shape.tag_mask >>> tagShift;
const USER_END = 0x80000000;
const ownTables = () => settings.slots === shape.slots && settings.hash === machine;
const settingsContext = () => contextOf(settings.tag << tagShift, settings.address);

const HASH_TITLES = ["MIPS32's (Malta)", "the thesis' (DECstation)", 'none: the page alone'];
const hashTitle = (hash) => (hash === machine ? `${HASH_TITLES[hash]}, this machine's` : HASH_TITLES[hash]);

// Of what a bit of Context is made: process tag, page, or nothing.
function contextOrigins() {
  return Array.from({ length: 32 }, (_, n) => {
    if (bit(shape.tag_mask, n)) return 'tag';
    return n >= shape.vpn_shift ? 'page' : '';
  });
}

const shifted = (origins, by) => origins.map((_, n) => origins[n + by] ?? '');
const combined = (a, b) => a.map((origin, n) => (origin && b[n] ? 'both' : origin || b[n]));
const moveRight = (value, by) => word(by < 0 ? value << -by : by > 31 ? 0 : value >>> by);
const shiftText = (by) => (by < 0 ? ` << ${-by}` : by > 0 ? ` >> ${by}` : '');

// The rows of the figure: a word each, with what its bits are made of, and those that count in the end.
function hashRows() {
  const { slots, hash } = settings;
  const value = settingsContext();
  const steps = hashOf(value, slots, hash);
  const mask = hash === 1 ? word((slots - 1) * steps.entryBytes) : slots - 1;
  const keptMixed = moveRight(mask, -steps.downShift);
  const keptPage = moveRight(keptMixed, -steps.pageShift);
  const keptTag = hash === PAGE_ALONE ? 0 : moveRight(keptMixed, -steps.tagShift);
  const origins = contextOrigins();
  const page = shifted(origins, steps.pageShift);
  const tag = shifted(origins, steps.tagShift);
  const both = hash === PAGE_ALONE ? page : combined(page, tag);
  const moved = shifted(both, steps.downShift);
  return [
    { name: 'Context', value, origins, kept: word(keptPage | keptTag), fields: true },
    { name: `Context${shiftText(steps.pageShift)}`, note: 'the page', value: steps.page, origins: page, kept: keptMixed },
    hash === PAGE_ALONE ? null
      : { name: `Context${shiftText(steps.tagShift)}`, note: 'the tag', value: steps.tag, origins: tag, kept: keptMixed, sign: '⊕' },
    hash === PAGE_ALONE ? null : { name: 'exclusive or', value: steps.mixed, origins: both, kept: keptMixed, sign: '=' },
    steps.downShift ? { name: `…${shiftText(steps.downShift)}`, note: 'moved down', value: steps.moved, origins: moved, kept: mask } : null,
    hash === 1
      ? { name: `… & ${hex(mask, 4)}`, note: 'offset in the table', value: steps.offset, origins: moved, kept: mask, only: true }
      : { name: `… & ${hex(mask, 4)}`, note: 'the slot', value: steps.slot, origins: moved, kept: mask, only: true },
  ].filter(Boolean);
}

function addressRow() {
  const lowest = Math.log2(LINE_BYTES);
  const origins = Array.from({ length: 32 }, (_, n) => (n >= lowest && n < 31 ? 'page' : ''));
  return { name: 'Address', note: 'of the access', value: settings.address, origins, kept: word(-LINE_BYTES) & 0x7fffffff };
}

function bitRow(row) {
  const cells = Array.from({ length: 32 }, (_, column) => {
    const n = 31 - column;
    const kept = bit(row.kept, n);
    const classes = ['bit', row.origins[n], kept ? 'kept' : 'left', row.only && !kept ? 'gone' : ''].filter(Boolean).join(' ');
    return element('span', { class: classes }, row.only && !kept ? '' : String(bit(row.value, n)));
  });
  const label = element('span', { class: 'row-name' }, element('code', {}, row.name), row.note ? element('small', {}, ` ${row.note}`) : null);
  return element('div', { class: 'bit-row', 'data-row': row.name },
    label, element('span', { class: 'word-bits', 'aria-hidden': 'true' }, cells), element('code', { class: 'word-hex' }, hex(row.value)));
}

// The numbers of some bits, above all.
function numberRow() {
  const cells = Array.from({ length: 32 }, (_, column) => element('span', {}, [7, 0].includes((31 - column) % 8) ? String(31 - column) : ''));
  return element('div', { class: 'bit-row numbers', 'aria-hidden': 'true' }, element('span'), element('span', { class: 'word-bits' }, cells), element('span'));
}

// What the fields of Context are, above it.
function fieldRow() {
  const tagBits = 32 - tagShift;
  const cell = (text, bits, kind) => element('span', { class: `field ${kind}`, style: `grid-column: span ${bits}` }, text);
  const cells = [cell('process tag', tagBits, 'tag'), cell(`number of the ${pageName}`, 32 - tagBits - shape.vpn_shift, 'page'), cell('0', shape.vpn_shift, '')];
  return element('div', { class: 'bit-row fields', 'aria-hidden': 'true' }, element('span'), element('span', { class: 'word-bits' }, cells), element('span'));
}

function formula({ hash, slots } = settings) {
  const steps = hashOf(0, slots, hash);
  const page = `Context${shiftText(steps.pageShift)}`;
  if (hash === PAGE_ALONE) return `${page} & ${slots - 1}`;
  const mixed = `(${page} ^ Context${shiftText(steps.tagShift)})`;
  return hash === 1 ? `((${mixed}${shiftText(steps.downShift)}) & ${hex((slots - 1) * steps.entryBytes, 4)}) / ${steps.entryBytes}` : `${mixed} & ${slots - 1}`;
}

function showSlot() {
  const slot = slotOf(settingsContext(), settings.slots, settings.hash);
  $('bits').replaceChildren(numberRow(), bitRow(addressRow()), fieldRow(), ...hashRows().map(bitRow));
  $('slot-result').textContent = slot;
  $('slot-of').textContent = `of ${count(settings.slots)}`;
  $('slot-formula').textContent = `slot = ${formula()}`;
  showThere(slot);
  $('taken').textContent = settings.taken ? `Shown: miss ${count(selected)}${agreement(slot)}` : 'Shown: your own numbers';
}

// The slot was recorded too: the page shows that both agree.
function agreement(slot) {
  if (!ownTables()) return '';
  return slot === selectedMiss().slot ? '; the run used the same slot ✓' : `; BUT the run used slot ${selectedMiss().slot}`;
}

function showThere(slot) {
  const there = lines().filter((entry) => (ownTables() ? entry.place === slot : slotOf(entry.context, settings.slots, settings.hash) === slot));
  const own = settingsContext();
  const names = there.map((entry) => (entry.context === own ? `this very line (${lineName(entry.context)})` : lineName(entry.context)));
  const verb = ownTables() ? 'holds' : 'would hold';
  $('slot-there').textContent = `As miss ${count(selected)} was met, that slot ${verb} ${names.length ? listed(names, '; ', 4) : 'nothing'}.`;
}

// A number as it is typed: 0x… or decimal. Undefined if it is none, or not below `end`.
function parse(text, end) {
  const value = text.trim() === '' ? NaN : Number(text);
  return Number.isInteger(value) && value >= 0 && value < end ? value : undefined;
}

function readForm() {
  const address = parse($('address').value, USER_END);
  const tag = parse($('tag').value, GREATEST_TAG + 1);
  const problem = address === undefined ? `An address of a program is a number below ${hex(USER_END)}.`
    : tag === undefined ? `A process tag is a number up to ${hex(GREATEST_TAG, 3)}.` : '';
  $('hash-error').textContent = problem;
  if (problem) return;
  const own = address !== settings.address || tag !== settings.tag;
  change({ address, tag, slots: Number($('slots').value), hash: Number($('hash-kind').value), taken: settings.taken && !own });
}

function change(values) {
  Object.assign(settings, values);
  settingsWatchers.forEach((watcher) => watcher());
}

function writeForm() {
  $('address').value = hex(settings.address);
  $('tag').value = hex(settings.tag, 3);
  $('slots').value = settings.slots;
  $('hash-kind').value = settings.hash;
  $('hash-error').textContent = '';
}

function take(miss) {
  change({ address: miss.address, tag: tagField(miss.context), taken: true });
  writeForm();
}

function nudge(name, by, end) {
  const value = (settings[name] + by + end) % end;
  change({ [name]: value, taken: false });
  writeForm();
}

function startSlot() {
  const sizes = [...new Set([...SLOT_COUNTS, shape.slots])].sort((a, b) => a - b);
  $('slots').append(...sizes.map((n) => element('option', { value: n }, `${count(n)}${n === shape.slots ? ', as here' : ''}`)));
  $('hash-kind').append(...HASH_TITLES.map((_, hash) => element('option', { value: hash }, hashTitle(hash))));
  $('hash-form').addEventListener('submit', (event) => event.preventDefault());
  $('hash-form').addEventListener('input', readForm);
  $('take').addEventListener('click', () => take(selectedMiss()));
  for (const [id, name, by, end] of [['page-up', 'address', LINE_BYTES, USER_END], ['page-down', 'address', -LINE_BYTES, USER_END],
    ['tag-up', 'tag', 1, GREATEST_TAG + 1], ['tag-down', 'tag', -1, GREATEST_TAG + 1]]) {
    $(id).addEventListener('click', () => nudge(name, by, end));
  }
  onSelect((miss) => (settings.taken ? take(miss) : change({})));
  onSettings(showSlot);
}
