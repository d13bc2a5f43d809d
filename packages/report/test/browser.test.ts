import { existsSync } from 'node:fs';
import { copyFile, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { writeReport } from '@align2speak/report';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { fakeMetrics, inFolder, writeDemo } from './fixture.js';

const folder = inFolder();
const candidates = [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/chromium-headless-shell'];
const executablePath = candidates.find((path) => path && existsSync(path));

let browser: Browser | undefined;
let demo = '';
beforeAll(async () => {
  await writeDemo(folder.write, 'demo');
  demo = await writeReport(folder.path('demo'));
  // Chromium's own sandbox refuses to start as root, which is what containers run as.
  if (executablePath) browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
afterAll(() => browser?.close());

const sizes = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

/** Opens a report and fails on whatever the page complains about or asks the network for. */
async function openReport(context: TestContext, path: string, options: Parameters<Browser['newContext']>[0] = {}) {
  if (!browser) context.skip('no browser: install chromium or name one in CHROMIUM_PATH');
  const view = await browser!.newContext(options);
  context.onTestFinished(() => view.close());
  const page = await view.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    if (!/^(file|data|blob):/.test(request.url())) complaints.push(`request: ${request.url()}`);
  });
  await page.goto(pathToFileURL(path).href);
  return { page, complaints };
}

const overflow = (page: Page) =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

describe('a report in a browser', () => {
  const views = (['desktop', 'phone'] as const).flatMap((size) =>
    (['light', 'dark'] as const).map((colorScheme) => ({ size, colorScheme })),
  );
  it.for(views)('opens without complaint: $size, $colorScheme', async ({ size, colorScheme }, context) => {
    const { page, complaints } = await openReport(context, demo, { viewport: sizes[size], colorScheme });
    const picture = folder.path(`${size}-${colorScheme}.png`);
    await page.screenshot({ path: picture, fullPage: true });
    expect((await stat(picture)).size).toBeGreaterThan(20_000);
    expect(await overflow(page)).toBe(0);
    expect(complaints).toEqual([]);
    const keep = process.env.ALIGN2SPEAK_SCREENSHOTS;
    if (keep)
      await mkdir(keep, { recursive: true }).then(() => copyFile(picture, join(keep, `${size}-${colorScheme}.png`)));
  });

  it('plays every clip', async (context) => {
    const { page, complaints } = await openReport(context, demo);
    const durations = await page.$$eval('audio', (players) =>
      Promise.all(
        players.map((player) => {
          const audio = player as unknown as {
            readyState: number;
            duration: number;
            addEventListener: (...args: unknown[]) => void;
          };
          if (audio.readyState >= 1) return audio.duration;
          return new Promise<number>((resolve) => {
            audio.addEventListener('loadedmetadata', () => resolve(audio.duration));
            audio.addEventListener('error', () => resolve(-1));
          });
        }),
      ),
    );
    expect(durations).toHaveLength(10);
    for (const duration of durations) expect(duration).toBeGreaterThan(0.9);
    expect(complaints).toEqual([]);
  });

  it('shows the values under the pointer', async (context) => {
    const { page, complaints } = await openReport(context, demo, { viewport: sizes.desktop });
    const plot = page.locator('figure', { hasText: 'Reward: CER' }).locator('.plot').first();
    await plot.hover({ position: { x: 5, y: 40 } });
    expect(await page.locator('#tip').innerText()).toMatch(
      /^step \d\s*fine-tune \+ GRPO \d+\.\d %\s*GRPO alone \d+\.\d %$/,
    );
    await page.mouse.move(0, 0);
    expect(await page.locator('#tip').isVisible()).toBe(false);
    expect(complaints).toEqual([]);
  });

  it('lets nothing run or load that came in by the data', async (context) => {
    const hostile = `<img src="https://example.invalid/x.png" onerror="document.title='run'"><script>document.title='run'</script>`;
    await folder.write(
      'hostile/metrics.jsonl',
      fakeMetrics('grpo', 5, 4).replaceAll('"frames"', JSON.stringify(hostile)),
    );
    await folder.write('hostile/config.json', JSON.stringify({ [hostile]: hostile }));
    const { page, complaints } = await openReport(context, await writeReport(folder.path('hostile')));
    expect(await page.title()).toBe('hostile');
    expect(await page.locator('img').count()).toBe(0);
    expect(complaints).toEqual([]);
  });
});
