import type { Grammar } from './grammar.js';

export const it: Grammar = {
  words: {
    il: [
      'giardino libro ponte cane gatto cavallo maestro medico fratello padre re pane formaggio vino bicchiere mare fiume ragazzo sole mattino racconto vento tavolo bambino',
      'castello vicino treno coltello bosco cappello limone nonno',
    ],
    la: [
      'casa finestra porta sedia lettera città strada montagna pecora maestra sorella madre regina mela musica voce scarpa nave notte neve canzone ragazza luna famiglia foglia',
      'cucina lampada bottiglia chiave nuvola vicina',
    ],
    lo: [
      'vecchio giovane nuovo piccolo grande tranquillo verde giallo bianco nero felice freddo veloce lento pulito pesante dolce forte strano caldo rosso',
      'stretto famoso triste rotto prudente azzurro',
    ],
    fem: [
      'vecchia giovane nuova piccola grande tranquilla verde gialla bianca nera felice fredda veloce lenta pulita pesante dolce forte strana calda rossa',
      'stretta famosa triste rotta prudente azzurra',
    ],
    verb: [
      'dorme aspetta canta cade lavora corre parla ride cresce arriva torna viaggia nuota ascolta risponde comincia cammina brilla',
      'salta balla respira sussurra sparisce',
    ],
    takes: [
      'cerca trova compra vende dipinge porta apre segue conosce vuole mostra guarda prende chiama',
      'lava visita dimentica scrive riceve',
    ],
    adv: [
      'oggi ancora piano qui sempre spesso solo insieme fuori domani bene tardi mai presto',
      'ieri dentro subito raramente ovunque',
    ],
    num: ['due tre quattro cinque sei sette nove dieci quaranta cento', 'otto undici dodici trenta'],
    plural: [
      'case libri lettere cavalli cani maestri mele sedie navi canzoni ragazzi fiori tavoli giardini ponti',
      'bottiglie chiavi lampade castelli nuvole',
    ],
    name: ['Anna Pietro Maria Giovanni Laura Tommaso Elena Carlo Susanna Roberto', 'Marta Giorgio Emilia Luigi'],
    hello: ['ciao grazie scusa benvenuto', 'addio ascolti'],
  },
  phrases: [
    'il {il} {lo} {verb} {adv}',
    'la {la} {fem} {verb} {adv}',
    'la mia {la} {verb} {adv}',
    '{name} {takes} {num} {plural}',
    '{name} {takes} la {la} {fem}',
    'il {il} {takes} una {la}',
    '{num} {plural} e {num} {plural}',
    '{hello}, {name} {verb} {adv}',
    'chi {takes} il {il} {lo}?',
    '{name} e {name} {adv}',
    'la nostra {la} {fem} {verb}',
    'il mio {il} {verb} {adv}',
  ],
};
