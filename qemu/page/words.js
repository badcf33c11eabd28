// Elements, numbers and names, as a reader sees them.

const $ = (id) => document.getElementById(id);

// An element; attributes that are undefined are left out, as are children that are null.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

const hex = (value, digits = 8) => `0x${word(value).toString(16).padStart(digits, '0')}`;
const count = (value) => value.toLocaleString('en');
const plural = (n, noun, nouns = `${noun}s`) => `${count(n)} ${n === 1 ? noun : nouns}`;

const PAGE_BYTES = 4096;
const LINE_BYTES = PAGE_BYTES * shape.pages_per_entry;
const tagShift = 31 - Math.clz32(shape.tag_mask & -shape.tag_mask);
const tagField = (context) => word(context & shape.tag_mask) >>> tagShift;

const environmentNumbers = Object.keys(record.environments).map(Number).sort((a, b) => a - b);
const environmentByTag = new Map(environmentNumbers.map((n) => [word(record.environments[n].tag & shape.tag_mask), n]));
// Whose line is it? Undefined for a tag that none of the environments that missed has.
const environmentOf = (context) => environmentByTag.get(word(context & shape.tag_mask));

function environmentName(environment, context) {
  if (environment !== undefined) return `environment ${environment}`;
  return context === undefined ? 'another environment' : `another environment (tag ${hex(tagField(context), 3)})`;
}

const range = (address) => `${hex(address)}–${hex(address + LINE_BYTES - 1)}`;
const lineName = (context) => `${environmentName(environmentOf(context), context)}, ${pageWord} ${range(addressOf(context))}`;
const pageWord = shape.pages_per_entry === 2 ? 'pages' : 'page';
const pageName = shape.pages_per_entry === 2 ? 'page pair' : 'page';

const MACHINE_NAMES = { malta: 'MIPS Malta', decstation: 'DECstation 5000/200' };
const PROCESSOR_NAMES = { malta: 'MIPS32', decstation: 'R3000' };

const PATHS = needs.paths;
const pathTitle = (path) => PATHS.find((known) => known.path === path).title;

// Not all of a long list.
const LISTED = 12;
function listed(names, separator = ', ', most = LISTED) {
  const more = names.length > most ? ` and ${names.length - most} more` : '';
  return names.slice(0, most).join(separator) + more;
}

const ACCESS = { fetch: 'execute', load: 'load from', store: 'store to' };
const ACCESS_NOUN = { fetch: 'instruction fetch', load: 'load', store: 'store' };
