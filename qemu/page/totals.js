// The run as a whole: who answered how many misses, and what that took.

// Least, middle and greatest of some numbers.
function spread(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return { least: sorted[0], middle: sorted[sorted.length >> 1], greatest: sorted.at(-1) };
}

function spreadText(numbers) {
  if (numbers.length === 0) return '–';
  const { least, middle, greatest } = spread(numbers);
  return least === greatest ? count(least) : `${count(middle)} (${count(least)} to ${count(greatest)})`;
}

function showTotals() {
  const body = $('totals').tBodies[0];
  for (const { path } of PATHS) {
    const answered = misses.filter((miss) => miss.path === path);
    body.append(totalsRow(path, answered));
  }
}

function totalsRow(path, answered) {
  const share = answered.length / misses.length;
  const bar = element('span', { class: 'bar', style: `width: ${(share * 100).toFixed(2)}%` });
  const percent = share > 0 && share < 0.001 ? '< 0.1 %' : `${(share * 100).toFixed(1)} %`;
  const whole = answered.map((miss) => miss.instructions).filter((n) => n !== null);
  return element('tr', { 'data-path': path, class: answered.length ? undefined : 'none' },
    element('th', { scope: 'row' }, pathMark(path), ` ${pathTitle(path)}`),
    element('td', { class: 'number', 'data-field': 'count' }, count(answered.length)),
    element('td', { class: 'share' }, element('span', { class: 'track' }, bar), ` ${percent}`),
    element('td', { class: 'number' }, spreadText(answered.map((miss) => miss.kernel))),
    element('td', { class: 'number' }, spreadText(whole)));
}

function showHead() {
  const name = MACHINE_NAMES[record.machine];
  if (misses.length === 0) {
    $('title').textContent = record.walk?.title ?? record.program;
    $('lede').textContent = `${record.program} on a ${name} (${PROCESSOR_NAMES[record.machine]}), instruction by instruction, as an emulator executed it.`;
  } else {
    $('title').textContent = `${plural(misses.length, 'TLB miss', 'TLB misses')} of ${record.program}`;
    $('lede').textContent = lede(name);
  }
  const made = `Recorded from outside the guest, over ${plural(record.instructions, 'executed instruction')}.`;
  $('foot').textContent = `${made} Slots are computed by the kernel's own code, compiled to WebAssembly.`;
}

function lede(name) {
  const hits = misses.filter((miss) => miss.path === 'hit');
  const reach = plural(shape.tlb_entries * shape.pages_per_entry, 'page');
  const answer = hits.length
    ? ` The software TLB, a table of ${count(shape.slots)} slots, answered ${count(hits.length)} of the misses, mostly in ${spread(hits.map((miss) => miss.kernel)).middle} instructions.`
    : '';
  return `On a ${name} (${PROCESSOR_NAMES[record.machine]}) the hardware TLB reaches ${reach} at a time; the rest is the kernel's to find.${answer}`;
}
