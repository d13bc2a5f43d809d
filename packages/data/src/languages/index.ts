import { de } from './de.js';
import { en } from './en.js';
import { es } from './es.js';
import { fr } from './fr.js';
import type { Grammar } from './grammar.js';
import { hi } from './hi.js';
import { it } from './it.js';
import { nl } from './nl.js';
import { pl } from './pl.js';
import { pt } from './pt.js';

/** Grammars by language code. */
export const grammars: Readonly<Record<string, Grammar>> = { de, en, es, fr, hi, it, nl, pl, pt };
