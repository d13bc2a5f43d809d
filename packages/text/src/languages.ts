import { ConfigError } from '@align2speak/contracts';

/** A language the front end knows: its English name and the espeak-ng voice that pronounces it. */
export interface Language {
  name: string;
  voice: string;
}

/** By ISO 639-1 code. A region after a hyphen (`pt-PT`) picks another voice where espeak-ng has one. */
const languages: Record<string, Language> = {
  de: { name: 'German', voice: 'de' },
  en: { name: 'English', voice: 'en-us' },
  es: { name: 'Spanish', voice: 'es' },
  fr: { name: 'French', voice: 'fr' },
  hi: { name: 'Hindi', voice: 'hi' },
  it: { name: 'Italian', voice: 'it' },
  nl: { name: 'Dutch', voice: 'nl' },
  pl: { name: 'Polish', voice: 'pl' },
  pt: { name: 'Portuguese', voice: 'pt-br' },
  'pt-pt': { name: 'Portuguese (Portugal)', voice: 'pt' },
};

/** Codes that {@link languageOf} accepts. */
export const languageCodes: readonly string[] = Object.keys(languages);

/**
 * The language of a code, upper or lower case, `_` or `-` before the region.
 *
 * @throws ConfigError for a code that is not in {@link languageCodes}.
 */
export function languageOf(code: string): Language {
  const key = code.toLowerCase().replace('_', '-');
  const language =
    languages[key] ?? (key.endsWith('-us') || key.endsWith('-br') ? languages[key.slice(0, 2)] : undefined);
  if (language) return language;
  throw new ConfigError({
    where: 'text',
    what: 'lang',
    expected: `one of ${languageCodes.join(', ')}`,
    got: `'${code}'`,
    hint: 'for any other language put ready IPA into the `ipa` field of the manifest',
  });
}
