import { basename, dirname } from 'node:path';
import { readManifest } from '@align2speak/data';
import { type CodedUtterance, loadCoded } from '@align2speak/tts';
import { Progress } from './progress.js';

/** The utterances of a manifest with their codes; a line tells how far it is where they must be encoded first. */
export async function codedCorpus(manifest: string, codec: string): Promise<CodedUtterance[]> {
  let progress: Progress | undefined;
  const name = `encode ${basename(dirname(manifest))}/${basename(manifest)}`;
  const coded = await loadCoded(manifest, codec, (done, total) => {
    progress ??= new Progress(name, total);
    progress.show(done);
  });
  progress?.end();
  return coded;
}

/** Checks manifests before anything is encoded. @throws DataError, naming file, line and field. */
export async function requireManifests(...lists: readonly (readonly string[])[]): Promise<void> {
  for (const manifest of new Set(lists.flat())) await readManifest(manifest);
}
