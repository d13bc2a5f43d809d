/** The command line, as a function: tests and scripts call it without a process. */
export { main } from './main.js';
