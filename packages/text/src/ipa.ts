/** A language switch of espeak-ng, such as `(en)`. */
const languageSwitch = /\([a-z]{2,3}(-[a-z0-9]+)*\)/gu;

/**
 * Raw espeak-ng phonemes of one clause as plain IPA: separators, language switches, secondary stress and the hyphen of
 * unstressed French vowels removed, primary stress (ˈ) kept, the Hindi flap `r.` written ɽ, single spaces, NFC.
 */
export function cleanIpa(raw: string): string {
  return raw
    .replace(languageSwitch, ' ')
    .replace(/r\./gu, 'ɽ')
    .replace(/[_ˌ-]/gu, '')
    .replace(/\s+/gu, ' ')
    .trim()
    .normalize('NFC');
}

/** Marks that are spoken as a pause, longest pause last. */
const pauses = /[,;:.!?\u2026\u0964]+/gu;
/** A comma or full stop inside a number (`1,5`, `1.000`) is no pause. */
const insideNumber = /(?<=\p{N})[.,:](?=\p{N})/u;

/** A text cut at its pauses: clauses to pronounce and the mark that follows each (`''` at an open end). */
export function splitAtPauses(text: string): { clause: string; mark: string }[] {
  const parts: { clause: string; mark: string }[] = [];
  let start = 0;
  const push = (end: number, mark: string) => {
    const clause = text.slice(start, end).trim();
    if (/[\p{L}\p{N}]/u.test(clause)) parts.push({ clause, mark });
    else if (parts.length > 0 && mark !== '') parts[parts.length - 1]!.mark = mark;
  };
  for (const match of text.matchAll(pauses)) {
    const { index } = match;
    if (
      match[0].length === 1 &&
      insideNumber.test(text.slice(Math.max(0, index - 1), index + 2)) &&
      /\p{N}/u.test(text[index - 1] ?? '')
    )
      continue;
    push(index, pauseMark(match[0]));
    start = index + match[0].length;
  }
  push(text.length, '');
  return parts;
}

/** One of `, . ! ?` for any run of pause marks. */
function pauseMark(run: string): string {
  if (run.includes('?')) return '?';
  if (run.includes('!')) return '!';
  return /[.\u2026\u0964]/u.test(run) ? '.' : ',';
}
