export { CounterRandom } from '@align2speak/contracts';
