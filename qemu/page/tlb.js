// The hardware TLB, as the selected miss found it.

const ROWS = 16; // of a table: a longer one is cut into several

function tlbRow(index, miss) {
  const maps = tables.tlb.get(index);
  const leaves = miss.evicted?.index === index;
  const notes = [
    index < shape.tlb_wired ? 'never replaced' : null,
    tables.changed.has(index) ? '▸ new' : null,
    leaves ? '✕ leaves' : null,
  ].filter(Boolean).join(', ');
  const classes = [maps ? '' : 'empty', leaves ? 'leaves' : '', tables.changed.has(index) ? 'changed' : ''].filter(Boolean).join(' ');
  return element('tr', { class: classes || undefined, 'data-index': index, 'data-address': maps?.address, 'data-environment': maps?.environment },
    element('th', { scope: 'row' }, String(index)),
    element('td', {}, maps ? environmentMark(maps.environment) : null, maps ? ` ${maps.environment}` : ''),
    element('td', {}, element('code', {}, maps ? hex(maps.address) : '–')),
    element('td', {}, element('code', {}, maps ? maps.lo.map(shortLo).join(' · ') : '')),
    element('td', { class: 'tlb-note' }, notes));
}

function tlbTable(from, miss) {
  const indices = Array.from({ length: Math.min(ROWS, shape.tlb_entries - from) }, (_, n) => from + n);
  const head = ['#', 'Env.', shape.pages_per_entry === 2 ? 'Pair from' : 'Page', shape.pages_per_entry === 2 ? 'Frames (even · odd)' : 'Frame', ''];
  return element('table', {},
    element('thead', {}, element('tr', {}, head.map((title) => element('th', { scope: 'col' }, title)))),
    element('tbody', {}, indices.map((index) => tlbRow(index, miss))));
}

function showTlb(miss) {
  $('tables-miss').textContent = count(miss.n);
  const reach = plural(tables.tlb.size * shape.pages_per_entry, 'page');
  $('tlb-summary').textContent = `${count(tables.tlb.size)} of ${plural(shape.tlb_entries, 'entry', 'entries')} in use: they reach ${reach}. ✕ marks the one that leaves for this miss, ▸ what is new since the miss before.`;
  const tablesOf16 = Array.from({ length: Math.ceil(shape.tlb_entries / ROWS) }, (_, n) => tlbTable(n * ROWS, miss));
  $('tlb').replaceChildren(...tablesOf16);
}

function startTlb() {
  $('tables-both').classList.toggle('long', shape.tlb_entries > ROWS);
  onSelect(showTlb);
}
