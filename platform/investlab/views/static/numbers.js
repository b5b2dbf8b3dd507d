/* Numbers and dates as people read them; the same signs and digits as the server's. */

const MINUS = "−";
const MISSING = "–";

export function number(value, digits = 2, signed = false) {
  if (value === null || value === undefined || !Number.isFinite(value)) return MISSING;
  const text = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  if (!/[1-9]/.test(text)) return text;
  return value < 0 ? MINUS + text : signed ? `+${text}` : text;
}

export const percent = (value, digits = 1) => (Number.isFinite(value) ? `${number(value * 100, digits)}%` : MISSING);
export const signedPercent = (value, digits = 1) => (Number.isFinite(value) ? `${number(value * 100, digits, true)}%` : MISSING);
export const money = (value, currency) => (Number.isFinite(value) ? `${currency}\u00a0${number(value, 0)}` : MISSING);
export const score = (value, digits = 3) => number(value ?? NaN, digits, true);
export const count = (value) => value.toLocaleString("en-US");
export const date = (session) => session;
