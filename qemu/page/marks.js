// Marks that differ in shape, and in colour besides: who can see no colour, or has a black and white print, loses nothing.
// The colours are those of Okabe and Ito, which the colour-blind can tell apart too.

const INK = '#1b1f24';
const FAINT = '#c9ced6';
const PAPER = '#ffffff';
const ALARM = '#b3261e';

const PATH_COLOURS = { hit: '#0072b2', overflow: '#b06f00', guaranteed: '#00795a', upcall: '#a8437a', refused: '#c23b00' };

// Each draws around (x, y), `r` being half its size.
const PATH_SHAPES = {
  hit: (pen, x, y, r) => pen.fillRect(x - r * 0.28, y - r, r * 0.56, 2 * r),
  overflow: (pen, x, y, r) => { circle(pen, x, y, r * 0.78); pen.lineWidth = r * 0.45; pen.stroke(); },
  guaranteed: (pen, x, y, r) => { polygon(pen, [[x, y - r], [x + r, y], [x, y + r], [x - r, y]]); pen.fill(); },
  upcall: (pen, x, y, r) => { polygon(pen, [[x, y - r], [x + r, y + r * 0.85], [x - r, y + r * 0.85]]); pen.fill(); },
  refused: (pen, x, y, r) => {
    pen.lineWidth = r * 0.5;
    line(pen, x - r * 0.8, y - r * 0.8, x + r * 0.8, y + r * 0.8);
    line(pen, x - r * 0.8, y + r * 0.8, x + r * 0.8, y - r * 0.8);
  },
};

const ENVIRONMENT_COLOURS = ['#0072b2', '#c23b00', '#00795a', '#a8437a', '#b06f00', '#3f51a3', '#5b6770', '#1b1f24'];

// Each fills a square at (x, y) of size `s`.
const ENVIRONMENT_PATTERNS = [
  (pen, x, y, s) => pen.fillRect(x, y, s, s),
  (pen, x, y, s) => { frame(pen, x, y, s, 0.28); },
  (pen, x, y, s) => { polygon(pen, [[x, y], [x + s, y], [x, y + s]]); pen.fill(); },
  (pen, x, y, s) => { pen.fillRect(x, y, s, s * 0.38); pen.fillRect(x, y + s * 0.62, s, s * 0.38); },
  (pen, x, y, s) => { circle(pen, x + s / 2, y + s / 2, s * 0.42); pen.fill(); },
  (pen, x, y, s) => { pen.fillRect(x, y, s * 0.38, s); pen.fillRect(x + s * 0.62, y, s * 0.38, s); },
  (pen, x, y, s) => { pen.fillRect(x + s * 0.34, y, s * 0.32, s); pen.fillRect(x, y + s * 0.34, s, s * 0.32); },
  (pen, x, y, s) => { frame(pen, x, y, s, 0.15); circle(pen, x + s / 2, y + s / 2, s * 0.17); pen.fill(); },
];

function circle(pen, x, y, r) {
  pen.beginPath();
  pen.arc(x, y, r, 0, 2 * Math.PI);
}

function polygon(pen, points) {
  pen.beginPath();
  points.forEach(([x, y]) => pen.lineTo(x, y));
  pen.closePath();
}

function line(pen, fromX, fromY, toX, toY) {
  pen.beginPath();
  pen.moveTo(fromX, fromY);
  pen.lineTo(toX, toY);
  pen.stroke();
}

function frame(pen, x, y, s, width) {
  pen.lineWidth = s * width;
  pen.strokeRect(x + (s * width) / 2, y + (s * width) / 2, s - s * width, s - s * width);
}

function drawPath(pen, path, x, y, r) {
  pen.fillStyle = pen.strokeStyle = PATH_COLOURS[path];
  PATH_SHAPES[path](pen, x, y, r);
}

const UNKNOWN = ENVIRONMENT_PATTERNS.length - 1;
function environmentStyle(environment) {
  const at = environmentNumbers.indexOf(environment);
  return at < 0 ? UNKNOWN : at % UNKNOWN;
}

function drawEnvironment(pen, environment, x, y, s) {
  const style = environmentStyle(environment);
  pen.fillStyle = pen.strokeStyle = ENVIRONMENT_COLOURS[style];
  ENVIRONMENT_PATTERNS[style](pen, x, y, s);
}

// Makes a canvas `height` high, and as wide as it is laid out, in the screen's own pixels. The style sheet keeps the proportions.
function pen(canvas, height, width = canvas.clientWidth) {
  const scale = Math.max(window.devicePixelRatio || 1, 2); // prints are sharper than screens
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext('2d');
  context.scale(scale, scale);
  return context;
}

// A mark as an element that stands in text.
function mark(draw) {
  const canvas = element('canvas', { class: 'mark', 'aria-hidden': 'true' });
  const context = pen(canvas, 16, 16);
  draw(context);
  return canvas;
}

const pathMark = (path) => mark((context) => drawPath(context, path, 8, 8, 7));
const environmentMark = (environment) => mark((context) => drawEnvironment(context, environment, 1, 1, 14));
const rootSize = () => parseFloat(getComputedStyle(document.documentElement).fontSize);
const font = (size, weight = '') => `${weight} ${size}px system-ui, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif`;
