import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointError, DataError, writeFolder, writeWhole } from '@align2speak/contracts';
import { afterAll, describe, expect, it } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'whole-'));
const path = (name: string) => join(root, name);
afterAll(() => rmSync(root, { recursive: true }));

describe('files and folders that are whole or not there', () => {
  it('replace an older one; a failure leaves it, and nothing beside it', async () => {
    const whole = path('whole');
    await writeFolder(whole, (temporary) => writeWhole(`${temporary}/a`, 'one'));
    await writeFolder(whole, (temporary) => writeWhole(`${temporary}/b`, 'two'));
    expect(readdirSync(whole)).toEqual(['b']);
    const failing = writeFolder(whole, async (temporary) => {
      await writeWhole(`${temporary}/c`, 'three');
      throw new RangeError('out of ideas');
    });
    await expect(failing).rejects.toThrow(RangeError);
    expect(readdirSync(whole)).toEqual(['b']);
    expect(readdirSync(root).filter((name) => name.startsWith('.whole'))).toEqual([]);
  });

  it('say which path the disk refused', async () => {
    writeFileSync(path('file'), '');
    const below = path('file/below');
    for (const write of [() => writeWhole(below, 'x'), () => writeFolder(below, async () => {})]) {
      const written = write();
      await expect(written).rejects.toThrow(DataError);
      await expect(written).rejects.toThrow(`${below}: file: expected to be written, got ENOTDIR`);
    }
    await expect(writeWhole(below, 'x', CheckpointError)).rejects.toThrow(CheckpointError);
    await expect(writeFolder(below, async () => {}, CheckpointError)).rejects.toThrow(CheckpointError);
  });

  it('hold text, bytes, or bytes in parts', async () => {
    for (const content of ['né', Uint8Array.of(110, 195, 169), [Uint8Array.of(110), Uint8Array.of(195, 169)]]) {
      await writeWhole(path('content'), content);
      expect(readFileSync(path('content'), 'utf8')).toBe('né');
    }
  });
});
