import type { Grammar } from './grammar.js';

export const en: Grammar = {
  words: {
    noun: [
      'house tree river garden window door table chair book letter city street bridge mountain island bird horse dog cat sheep teacher doctor farmer painter sister brother mother father friend child king bread apple cheese coffee winter summer morning music story shoe glass voice picture ship',
      'kitchen station castle orange basket neighbor driver lamp engine bottle minister village rabbit uncle jacket',
    ],
    adj: [
      'old young new small large quiet loud green yellow white black happy sad warm cold quick slow clean heavy light soft strong early late strange sweet open wooden simple clever',
      'narrow purple gentle broken famous hungry silver careful polite',
    ],
    verb: [
      'sleeps waits sings falls works runs speaks laughs grows moves stops returns travels swims listens remains answers begins changes shines',
      'jumps dances vanishes breathes whispers arrives hurries',
    ],
    takes: [
      'sees finds buys sells loves paints carries opens follows brings needs knows wants keeps shows',
      'washes borrows catches visits repairs forgets',
    ],
    adv: [
      'today again slowly quickly here there always often alone together outside early tomorrow',
      'yesterday rarely nearby bravely inside silently',
    ],
    num: ['two three four five six seven nine ten twelve forty', 'eight eleven thirty fifty'],
    plural: [
      'houses trees rivers books letters birds horses dogs teachers farmers apples chairs ships songs cities',
      'bottles cousins oranges baskets villages lamps',
    ],
    name: ['Anna Peter Mary John Laura Thomas Helen David Susan Robert', 'Martha George Emily Oliver'],
    hello: ['hello welcome thanks sorry listen', 'goodbye cheers'],
  },
  phrases: [
    'the {adj} {noun} {verb} {adv}',
    'the {noun} {verb} {adv}',
    '{name} {takes} the {noun}',
    '{name} {takes} {num} {adj} {plural}',
    '{num} {adj} {plural}',
    'my {noun} {takes} {num} {plural}',
    'a {adj} {noun} {takes} {name}',
    '{hello}, {name} {verb} {adv}',
    'who {takes} the {adj} {noun}?',
    '{name} and {name} {takes} {plural}',
    '{adj} {plural} and {adj} {plural}',
    'our {adj} {noun} {verb}',
  ],
};
