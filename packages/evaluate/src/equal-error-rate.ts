import { DataError } from '@align2speak/contracts';

/**
 * The rate in [0, 1] at which as large a share of impostors is accepted as of true matches is refused.
 *
 * Equal scores are accepted together; between two thresholds both rates run straight.
 * @param labels 1 or true for a match, 0 or false for an impostor; as many as there are scores
 * @throws DataError where lengths differ, a score is NaN, or one of the two kinds is missing.
 */
export function equalErrorRate(scores: ArrayLike<number>, labels: ArrayLike<number | boolean>): number {
  const trials = Array.from(scores, (score, i) => ({ score, match: Boolean(labels[i]) }));
  const matches = trials.filter(({ match }) => match).length;
  const impostors = trials.length - matches;
  const fault = (what: string, expected: string, got: string | number) =>
    new DataError({ where: 'equalErrorRate', what, expected, got: String(got) });
  if (labels.length !== scores.length) throw fault('labels', `${scores.length}, one a score`, labels.length);
  if (trials.some(({ score }) => Number.isNaN(score))) throw fault('scores', 'numbers', 'NaN');
  if (matches === 0 || impostors === 0)
    throw fault('labels', 'matches and impostors', `${matches} and ${impostors} of them`);
  trials.sort((x, y) => y.score - x.score);
  let [accepted, refused] = [0, 1];
  for (let i = 0; i < trials.length; ) {
    const before = { accepted, refused };
    const { score } = trials[i]!;
    for (; i < trials.length && trials[i]!.score === score; i++) {
      if (trials[i]!.match) refused -= 1 / matches;
      else accepted += 1 / impostors;
    }
    if (accepted < refused) continue;
    const [short, over] = [before.refused - before.accepted, accepted - refused];
    return before.accepted + (short / (short + over)) * (accepted - before.accepted);
  }
  // Only rounding leads here: after the last score all are accepted and none refused.
  return accepted;
}
