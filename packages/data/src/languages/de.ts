import type { Grammar } from './grammar.js';

export const de: Grammar = {
  words: {
    der: [
      'Mann Baum Fluss Garten Tisch Stuhl Brief Berg Vogel Hund Lehrer Bruder Vater Freund König Apfel Käse Winter Sommer Morgen Zug Schuh',
      'Bahnhof Nachbar Schlüssel Kaffee Onkel Regen Wald',
    ],
    die: [
      'Frau Stadt Straße Brücke Insel Katze Schwester Mutter Tür Blume Milch Musik Stimme Geschichte Lehrerin Sonne Tasche Schule Woche',
      'Küche Lampe Flasche Tante Burg Wolke',
    ],
    das: [
      'Haus Fenster Buch Pferd Kind Brot Wasser Schiff Bild Dorf Glas Lied Zimmer Tier',
      'Schloss Fahrrad Mädchen Messer',
    ],
    adj: [
      'alte junge neue kleine große leise laute grüne gelbe weiße schwarze frohe warme kalte schnelle langsame saubere schwere leichte weiche starke frühe späte süße offene',
      'enge blaue berühmte hungrige vorsichtige kaputte höfliche traurige',
    ],
    verb: [
      'schläft wartet singt fällt arbeitet läuft spricht lacht wächst kommt bleibt reist schwimmt hört antwortet beginnt geht leuchtet',
      'springt tanzt verschwindet atmet flüstert zögert',
    ],
    takes: [
      'sieht findet kauft verkauft liebt malt trägt öffnet folgt bringt braucht kennt will behält zeigt',
      'wäscht besucht vergisst fängt schreibt',
    ],
    adv: [
      'heute wieder langsam schnell hier dort immer oft allein zusammen draußen morgen früh zuhause gern',
      'gestern selten drinnen mutig bald',
    ],
    num: ['zwei drei vier fünf sechs sieben neun zehn vierzig hundert', 'acht elf zwölf dreißig'],
    plural: [
      'Häuser Bäume Bücher Briefe Vögel Pferde Hunde Lehrer Äpfel Stühle Schiffe Lieder Städte Kinder Blumen',
      'Flaschen Schlüssel Lampen Burgen Wolken',
    ],
    name: ['Anna Peter Maria Hans Laura Thomas Helene Karl Susanne Robert', 'Martha Georg Jürgen Sophie'],
    hello: ['hallo danke bitte willkommen', 'tschüss verzeihung'],
  },
  phrases: [
    'der {adj} {der} {verb} {adv}',
    'die {adj} {die} {verb} {adv}',
    'das {adj} {das} {verb} {adv}',
    '{name} {takes} {num} {plural}',
    '{name} {takes} die {adj} {die}',
    'mein {der} {verb} {adv}',
    'meine {die} {takes} das {das}',
    '{num} {adj} {plural}',
    '{hello}, {name} {verb} {adv}',
    'wer {takes} das {adj} {das}?',
    '{name} und {name} {adv}',
    '{adv} {verb} unser {adj} {das}',
  ],
};
