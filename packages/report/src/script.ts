/** The page's only script: shows the values under the pointer in a line chart. The page reads the same without it. */
export const script = `
'use strict';
const tip = document.getElementById('tip');
const show = (value, kind) => kind === 'percent' ? (100 * value).toFixed(1) + ' %' : String(Number(value.toPrecision(4)));
for (const plot of document.querySelectorAll('.plot')) {
  const lines = JSON.parse(plot.dataset.lines);
  const [low, high] = plot.dataset.x.split(' ').map(Number);
  const cursor = document.createElement('div');
  cursor.className = 'cursor';
  plot.append(cursor);
  const hide = () => { tip.hidden = true; cursor.style.display = 'none'; };
  plot.addEventListener('pointerleave', hide);
  plot.addEventListener('pointercancel', hide);
  plot.addEventListener('pointermove', (event) => {
    const box = plot.getBoundingClientRect();
    const wanted = low + (high - low) * (event.clientX - box.left) / box.width;
    const distance = (step) => Math.abs(step - wanted);
    const step = lines.flatMap((line) => line.x).reduce((best, x) => distance(x) < distance(best) ? x : best);
    cursor.style.display = 'block';
    cursor.style.left = 100 * (high > low ? (step - low) / (high - low) : 0) + '%';
    tip.replaceChildren('step ' + step);
    for (const line of lines) {
      const i = line.x.reduce((best, x, at) => Math.abs(x - step) < Math.abs(line.x[best] - step) ? at : best, 0);
      if (step > line.x[line.x.length - 1] || step < line.x[0]) continue;
      const row = document.createElement('div');
      const dot = document.createElement('i');
      row.className = 'chip ' + line.className;
      if (line.colour) row.style.setProperty('--c', line.colour);
      row.append(dot, line.label + ' ' + show(line.y[i], plot.dataset.kind));
      tip.append(row);
    }
    tip.hidden = false;
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    tip.style.left = Math.max(8, left) + 'px';
    tip.style.top = Math.max(8, Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)) + 'px';
  });
}
`;
