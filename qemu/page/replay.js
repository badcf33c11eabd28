// The state in which a miss was met: replayed from what changed before each.

const misses = record.misses;

const tables = { n: 0, stlb: new Map(), tlb: new Map(), changed: new Set() };

// Brings `tables` to the state in which miss number `n` was met.
function replay(n) {
  if (n < tables.n) Object.assign(tables, { n: 0, stlb: new Map(), tlb: new Map() });
  for (; tables.n < n; tables.n += 1) apply(misses[tables.n]);
  tables.changed = new Set(n ? misses[n - 1].tlb_before.map((entry) => entry.index) : []);
}

function apply(miss) {
  for (const entry of miss.stlb_before) put(tables.stlb, entry.place, entry.context === null ? null : entry);
  for (const entry of miss.tlb_before) put(tables.tlb, entry.index, entry.maps);
}

function put(table, place, contents) {
  if (contents === null) table.delete(place);
  else table.set(place, contents);
}

// The lines of the table and of the overflow buffer, each with its place, in the order of places.
const lines = () => [...tables.stlb.values()].sort((a, b) => a.place - b.place);
const inTable = (entry) => entry.place < shape.slots;

// Slots from which a line had to go at some time of the run, with the misses at which one went.
const collisions = new Map();
for (const miss of misses.filter((miss) => miss.displaced !== null)) {
  collisions.set(miss.slot, [...(collisions.get(miss.slot) ?? []), miss]);
}

// The miss that is shown, and who wants to know when it is another.
let selected = 0;
const watchers = [];
const onSelect = (watcher) => watchers.push(watcher);
const selectedMiss = () => misses[selected - 1];

function select(n) {
  if (misses.length === 0) return;
  selected = Math.min(Math.max(n, 1), misses.length);
  replay(selected);
  watchers.forEach((watcher) => watcher(selectedMiss()));
}
