// Figures for people: "4.7 ms", "3,167/s", "81.6k".

export const NONE = "–";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const clockMinutes = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

const short = (value) => (value < 9.95 && value !== Math.round(value) ? tenth : whole).format(value);

/** With one decimal below ten. */
const two = (value) => (value < 9.95 ? tenth : whole).format(value);

/** A duration in seconds; null is a dash. */
export function duration(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return NONE;
  if (value <= 0) return "0 s";
  if (value < 0.95e-6) return `${whole.format(value * 1e9)} ns`;
  if (value < 0.9995e-3) return `${whole.format(value * 1e6)} µs`;
  if (value < 0.9995) return `${two(value * 1e3)} ms`;
  if (value < 99.95) return `${tenth.format(value)} s`;
  if (value < 5970) return `${two(value / 60)} min`;
  if (value < 172800) return `${two(value / 3600)} h`;
  return `${two(value / 86400)} days`;
}

/** A duration at a line of a scale, where the number is round. */
export const axisDuration = (value) => duration(value).replace(".0 ", " ");

/** A number of things, in full. */
export const exact = (value) => whole.format(value);

/** A number of things. */
export function count(value) {
  if (value === null || value === undefined) return NONE;
  const size = Math.abs(value);
  if (size < 10000) return whole.format(value);
  for (const [unit, name] of [[1e3, "k"], [1e6, "M"], [1e9, "G"]]) {
    if (size < unit * 999.5 || name === "G") return `${(size < unit * 99.95 ? tenth : whole).format(value / unit)}${name}`;
  }
}

/** Events a second; rare ones by the minute. */
export function rate(value) {
  if (value === null || value === undefined) return NONE;
  if (value > 0 && value < 0.095) return `${short(Math.max(value * 60, 0.1))}/min`;
  return `${value < 10000 ? short(value) : count(value)}/s`;
}

/** A part of a whole, 0 to 1. */
export function percent(value) {
  return `${tenth.format(value * 100)} %`;
}

export function bytes(value) {
  if (value === null || value === undefined) return NONE;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let power = 0;
  while (value >= 999.5 && power < units.length - 1) {
    value /= 1000;
    power += 1;
  }
  return `${power ? short(value) : whole.format(value)} ${units[power]}`;
}

/** A word for one or for several, with its number. */
export function plural(number, one, many = `${one}s`) {
  return `${exact(number)} ${number === 1 ? one : many}`;
}

const toDate = (time) => (typeof time === "number" ? new Date(time * 1000) : new Date(time));
const safely = (format, time) => (Number.isNaN(toDate(time).getTime()) ? NONE : format.format(toDate(time)));

/** The time of day of epoch seconds or of an RFC 3339 text, with seconds. */
export const timeOfDay = (time) => safely(clock, time);
export const timeOfDayMinutes = (time) => safely(clockMinutes, time);
export const dayAndTime = (time) => safely(day, time);
