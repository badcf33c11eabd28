// A path through the kernel, stepped through: instruction, registers and coprocessor 0 after each.

const walk = record.walk;
let step = 0; // from 0

// The registers before the first step, with all that changed up to and with step `n`.
function registersAfter(n, kind) {
  const registers = { ...walk[kind] };
  for (const done of walk.steps.slice(0, n + 1)) Object.assign(registers, done[kind]);
  return registers;
}

// Those that change on the way, or that an instruction names: the others are of less interest.
function interesting() {
  const changing = new Set(walk.steps.flatMap((done) => Object.keys(done.registers)));
  for (const done of walk.steps) for (const [, name] of done.text.matchAll(/\$(\w+)/g)) changing.add(name);
  return changing;
}

function listingItem(done, n) {
  const comment = done.source?.comment ?? '';
  const button = element('button', { type: 'button', tabindex: '-1', class: done.delay_slot ? 'delay' : undefined },
    element('span', { class: 'listing-n' }, String(n + 1)),
    element('code', { class: 'listing-address' }, hex(done.address)),
    element('code', { class: 'listing-text' }, done.text),
    element('span', { class: 'listing-comment' }, comment));
  button.addEventListener('click', () => show(n));
  const item = element('li', { 'data-step': n, class: done.kernel ? 'kernel' : 'user' }, button);
  const before = walk.steps[n - 1];
  const label = labelOf(done) !== (before && labelOf(before)) || before?.kernel !== done.kernel;
  if (!label) return [item];
  const mode = element('span', {}, done.kernel ? 'kernel' : 'program');
  return [element('li', { class: `listing-label ${done.kernel ? 'kernel' : 'user'}` }, mode, ` ${labelOf(done)}`), item];
}

const labelOf = (done) => (done.symbol ?? '').replace(/\+0x[0-9a-f]+$/, '');

function effects(done, before) {
  const changed = (kind, prefix) => Object.entries(done[kind]).map(([name, value]) => {
    const words = kind === 'cp0' ? describeCp0(name, value) : '';
    return element('li', {}, element('code', {}, `${prefix}${name}`), ' ← ', element('code', {}, hex(value)),
      before[kind][name] === undefined ? '' : ` (was ${hex(before[kind][name])})`, words ? `: ${words}` : '');
  });
  return [...changed('registers', '$'), ...changed('cp0', ''), memoryEffect(done.memory), tlbEffect(done.tlb)].filter(Boolean);
}

function memoryEffect(memory) {
  if (!memory) return null;
  return element('li', {}, memory.store ? 'stores to ' : 'loads from ', element('code', {}, memory.what ?? hex(memory.address)), memory.what ? ` at ${hex(memory.address)}` : '');
}

function tlbEffect(entry) {
  if (!entry) return null;
  const maps = entry.maps ? `environment ${entry.maps.environment}, ${pageWord} ${range(entry.maps.address)}: ${entry.maps.lo.map(describeLo).join('; ')}` : 'nothing';
  return element('li', {}, `hardware TLB, entry ${entry.index} ← ${maps}`);
}

function registerRow(name, value, changed, kind) {
  const cells = [
    element('th', { scope: 'row' }, element('span', { class: 'changed-mark', 'aria-hidden': 'true' }, changed ? '▸' : ''), `${kind === 'registers' ? '$' : ''}${name}`),
    element('td', {}, element('code', {}, hex(value))),
  ];
  if (kind === 'cp0') cells.push(element('td', { class: 'meaning' }, describeCp0(name, value)));
  return element('tr', { 'data-register': name, 'data-value': word(value), 'data-changed': changed ? 'yes' : undefined }, cells);
}

function showRegisters(done) {
  const values = Object.entries(registersAfter(step, 'registers')).sort(byRegister);
  const row = ([name, value]) => registerRow(name, value, name in done.registers, 'registers');
  const near = interesting();
  $('registers').tBodies[0].replaceChildren(...values.filter(([name]) => near.has(name)).map(row));
  $('registers-rest').tBodies[0].replaceChildren(...values.filter(([name]) => !near.has(name)).map(row));
  const cp0 = Object.entries(registersAfter(step, 'cp0')).sort(([a], [b]) => cp0Place(a) - cp0Place(b));
  $('cp0').tBodies[0].replaceChildren(...cp0.map(([name, value]) => registerRow(name, value, name in done.cp0, 'cp0')));
}

const REGISTERS = ['zero', 'at', 'v0', 'v1', 'a0', 'a1', 'a2', 'a3', 't0', 't1', 't2', 't3', 't4', 't5', 't6', 't7',
  's0', 's1', 's2', 's3', 's4', 's5', 's6', 's7', 't8', 't9', 'k0', 'k1', 'gp', 'sp', 'fp', 'ra', 'hi', 'lo'];
const byRegister = ([a], [b]) => REGISTERS.indexOf(a === 's8' ? 'fp' : a) - REGISTERS.indexOf(b === 's8' ? 'fp' : b);

const CP0 = ['Status', 'Cause', 'EPC', 'BadVAddr', 'Context', 'EntryHi', 'EntryLo', 'EntryLo0', 'EntryLo1', 'Index', 'Random'];
const cp0Place = (name) => (CP0.includes(name) ? CP0.indexOf(name) : CP0.length);

function showNow(done) {
  const before = { registers: registersAfter(step - 1, 'registers'), cp0: registersAfter(step - 1, 'cp0') };
  const mode = done.kernel ? 'Kernel mode' : 'User mode';
  const source = done.source ? `, ${done.source.file}:${done.source.line}` : '';
  $('now-where').textContent = `${mode}, ${hex(done.address)}${done.symbol ? ` (${done.symbol})` : ''}${done.delay_slot ? ', in a delay slot' : ''}${source}`;
  $('now-text').textContent = done.text;
  $('now-text').classList.toggle('delay', done.delay_slot);
  $('now-comment').textContent = done.source?.comment ?? '';
  const list = effects(done, before);
  $('now-effects').replaceChildren(...(list.length ? list : [element('li', { class: 'none' }, 'changes no register and no memory')]));
}

function showPlace() {
  for (const item of $('listing').querySelectorAll('[data-step]')) {
    const current = Number(item.dataset.step) === step;
    item.classList.toggle('current', current);
    item.firstElementChild.tabIndex = current ? 0 : -1;
    if (current) item.firstElementChild.setAttribute('aria-current', 'step');
    else item.firstElementChild.removeAttribute('aria-current');
    if (current) scrollWithin($('listing'), item);
  }
}

// The list scrolls; the page stays where it is.
function scrollWithin(list, item) {
  list.scrollTop = item.offsetTop - list.offsetTop - (list.clientHeight - item.clientHeight) / 2;
}

function show(n) {
  step = Math.min(Math.max(n, 0), walk.steps.length - 1);
  const done = walk.steps[step];
  showNow(done);
  showRegisters(done);
  showPlace();
  const kernel = (steps) => steps.filter((each) => each.kernel).length;
  const inKernel = `${kernel(walk.steps.slice(0, step + 1))} of ${kernel(walk.steps)} in the kernel`;
  $('step-number').textContent = `${step + 1} of ${plural(walk.steps.length, 'instruction')}; ${inKernel}`;
  $('step-first').disabled = $('step-previous').disabled = step === 0;
  $('step-last').disabled = $('step-next').disabled = step === walk.steps.length - 1;
}

function startWalk() {
  $('walk-title').textContent = walk.title;
  $('listing').append(...walk.steps.flatMap(listingItem));
  $('step-first').addEventListener('click', () => show(0));
  $('step-previous').addEventListener('click', () => show(step - 1));
  $('step-next').addEventListener('click', () => show(step + 1));
  $('step-last').addEventListener('click', () => show(walk.steps.length - 1));
  show(0);
}
