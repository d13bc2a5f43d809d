export { where } from '@align2speak/contracts';
