// What the fields of coprocessor 0's registers mean, on both processors.

const bit = (value, n) => (value >>> n) & 1;
const field = (value, high, low) => (value >>> low) & (2 ** (high - low + 1) - 1);
const isMips32 = record.machine === 'malta';

const EXCEPTIONS = {
  0: 'interrupt', 1: 'store to a page that is not dirty (Mod)', 2: 'TLB miss or invalid, load or fetch (TLBL)',
  3: 'TLB miss or invalid, store (TLBS)', 4: 'address error, load or fetch (AdEL)', 5: 'address error, store (AdES)',
  6: 'bus error, fetch (IBE)', 7: 'bus error, data (DBE)', 8: 'system call (Sys)', 9: 'breakpoint (Bp)',
  10: 'reserved instruction (RI)', 11: 'coprocessor unusable (CpU)', 12: 'integer overflow (Ov)', 13: 'trap (Tr)',
  15: 'floating point (FPE)', 23: 'watch (WATCH)', 24: 'machine check (MCheck)',
};

// A page's EntryLo, taken apart: figure 9-8 on the R3000, the manual's on MIPS32.
function entryLo(lo) {
  if (!isMips32) return { frame: lo >>> 12, valid: bit(lo, 9), dirty: bit(lo, 10), cached: !bit(lo, 11), global: bit(lo, 8) };
  return { frame: field(lo, 25, 6), valid: bit(lo, 1), dirty: bit(lo, 2), cached: field(lo, 5, 3) !== 2, global: bit(lo, 0) };
}

function describeLo(lo) {
  const { frame, valid, dirty, cached, global } = entryLo(lo);
  if (!valid) return 'invalid';
  const rights = dirty ? 'read and write' : 'read only';
  return `frame ${hex(frame, 5)}, ${rights}${cached ? '' : ', uncached'}${global ? ', global' : ''}`;
}

// The same in a few characters: for tables.
function shortLo(lo) {
  const { frame, valid, dirty } = entryLo(lo);
  return valid ? `${hex(frame, 5)} ${dirty ? 'rw' : 'r'}` : '–';
}

function describeStatus(value) {
  const coprocessors = [0, 1, 2, 3].filter((n) => bit(value, 28 + n)).map((n) => `CU${n}`);
  const boot = bit(value, 22) ? 'boot vectors' : null;
  const masks = `interrupts ${field(value, 15, 8).toString(2).padStart(8, '0')}`;
  const modes = isMips32 ? mips32Modes(value) : r3000Modes(value);
  return [...modes, masks, ...coprocessors, boot].filter(Boolean).join(', ');
}

function mips32Modes(value) {
  const user = field(value, 4, 3) === 2;
  const exception = bit(value, 1) || bit(value, 2);
  const mode = exception ? `kernel (EXL), ${user ? 'user' : 'kernel'} on return` : user ? 'user mode' : 'kernel mode';
  return [mode, `IE ${bit(value, 0)}`];
}

// A stack of three: what an exception pushes, and `rfe` pops.
function r3000Modes(value) {
  const level = (name, at) => `${name}: ${bit(value, at + 1) ? 'user' : 'kernel'}, IE ${bit(value, at)}`;
  return [level('current', 0), level('previous', 2), level('old', 4)].map((text) => text.replace(', ', ' '));
}

function describeCause(value) {
  const code = field(value, 6, 2);
  const pending = field(value, 15, 8);
  const parts = [EXCEPTIONS[code] ?? `code ${code}`];
  if (code === 11) parts.push(`coprocessor ${field(value, 29, 28)}`);
  if (bit(value, 31)) parts.push('in a delay slot (BD)');
  if (pending) parts.push(`pending ${pending.toString(2).padStart(8, '0')}`);
  return parts.join(', ');
}

function describeContext(value) {
  return `tag ${hex(tagField(value), 3)} (${environmentName(environmentOf(value))}), ${pageWord} ${range(addressOf(value))}`;
}

function describeEntryHi(value) {
  const asid = (value >>> shape.asid_shift) & (isMips32 ? 0xff : 0x3f);
  return `${pageWord} ${range(value & -LINE_BYTES)}, ASID ${asid}`;
}

const describeIndex = (value) => `${bit(value, 31) ? 'no match (P)' : `entry ${isMips32 ? field(value, 5, 0) : field(value, 13, 8)}`}`;
const describeRandom = (value) => `entry ${isMips32 ? field(value, 5, 0) : field(value, 13, 8)}`;

const DESCRIBE = {
  Status: describeStatus, Cause: describeCause, Context: describeContext, EntryHi: describeEntryHi, EntryLo: describeLo, EntryLo0: describeLo, EntryLo1: describeLo,
  Index: describeIndex, Random: describeRandom, EPC: () => 'where the program goes on', BadVAddr: () => 'the address of the last access that failed',
};

// In words, or nothing for a register that has no fields.
const describeCp0 = (name, value) => DESCRIBE[name]?.(word(value)) ?? '';
