// The crate `stlb`, compiled to WebAssembly: what computes in this page.

const readJson = (id) => JSON.parse(document.getElementById(id).textContent);
const needs = readJson('needs');
const record = readJson('record');
const shape = record.shape;

const MACHINES = ['malta', 'decstation'];
const machine = MACHINES.indexOf(record.machine);

// Which hash: a machine's, by its number, or none.
const PAGE_ALONE = 2;
const SLOT_COUNTS = [512, 1024, 2048, 4096, 8192];

async function loadStlb() {
  const bytes = Uint8Array.from(atob(needs.wasm), (character) => character.charCodeAt(0));
  const { instance } = await WebAssembly.instantiate(bytes, {});
  return instance.exports;
}

const wasm = await loadStlb();

// WebAssembly knows no unsigned words: its results come signed.
const word = (value) => value >>> 0;

const contextOf = (tag, address) => word(wasm.context(machine, tag, address));
const addressOf = (context) => word(wasm.va(machine, context));
const slotOf = (context, slots = shape.slots, hash = machine) => word(wasm.slot(machine, hash, context, slots));

// The words on the way from Context to the slot, and by how much they are shifted.
function hashOf(context, slots, hash) {
  const of = (step) => word(step(machine, hash, context, slots));
  return {
    page: of(wasm.hash_page),
    tag: of(wasm.hash_tag),
    mixed: of(wasm.hash_mixed),
    moved: of(wasm.hash_moved),
    offset: of(wasm.hash_offset),
    slot: slotOf(context, slots, hash),
    pageShift: wasm.page_shift(machine, hash),
    tagShift: wasm.tag_shift(hash, slots),
    downShift: wasm.down_shift(hash),
    entryBytes: wasm.entry_bytes(hash === PAGE_ALONE ? machine : hash),
  };
}
