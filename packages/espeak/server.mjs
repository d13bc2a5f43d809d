// Answers one JSON object a line: see README.md for the fields.
import { createInterface } from 'node:readline';

/** espeak-ng seeds its noise from the clock while it starts; a stopped clock makes every run the same. */
async function startEspeak() {
  const { now } = Date;
  Date.now = () => 0;
  try {
    const { default: load } = await import('@echogarden/espeak-ng-emscripten');
    const wasm = await load();
    // The noise of breathy voices is seeded here, not while the module loads.
    return { wasm, espeak: new wasm.eSpeakNGWorker() };
  } finally {
    Date.now = now;
  }
}

const { wasm, espeak } = await startEspeak();

/** The zero-terminated UTF-8 string that a pointer of the module points at. */
function readString({ ptr }) {
  return Buffer.from(wasm.HEAPU8.subarray(ptr, wasm.HEAPU8.indexOf(0, ptr))).toString('utf8');
}

const split = (ipa, separator) =>
  ipa
    .split(separator)
    .map((clause) => clause.trim())
    .filter((clause) => clause !== '');

function speakAloud(text) {
  const chunks = [];
  const ipa = espeak.synthesize_and_get_phonemes(text, (chunk) => {
    chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  });
  return {
    clauses: split(ipa, '\n'),
    sampleRate: espeak.get_samplerate(),
    pcm: Buffer.concat(chunks).toString('base64'),
  };
}

/** espeak-ng looks for voice variants here whenever a voice is set. */
const variants = '/usr/share/espeak-ng-data/voices/!v';

function answer({ id, voice, definition, text, speak = false, rate = 175, pitch = 50 }) {
  if (definition !== undefined) {
    const [, name] = /\+([\w-]+)$/.exec(voice) ?? [];
    if (name === undefined)
      return { id, error: `voice: expected a language and the name of its variant, got ${voice}` };
    wasm.FS.writeFile(`${variants}/${name}`, definition);
  }
  if (espeak.set_voice(voice) !== 0) return { id, error: `voice: expected an espeak-ng language, got ${voice}` };
  espeak.set_rate(rate);
  espeak.set_pitch(pitch);
  // Phonemes alone are fifty times faster than speech.
  return {
    id,
    ...(speak ? speakAloud(text) : { clauses: split(readString(espeak.convert_to_phonemes(text, true)), '|') }),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === '') continue;
  let reply;
  try {
    reply = answer(JSON.parse(line));
  } catch (error) {
    reply = { error: `request: ${error.message}` };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
