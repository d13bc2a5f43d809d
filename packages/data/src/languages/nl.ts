import type { Grammar } from './grammar.js';

export const nl: Grammar = {
  words: {
    de: [
      'man vrouw boom rivier tuin tafel stoel brief stad straat brug berg vogel hond kat leraar dokter zus broer moeder vader vriend koning appel kaas koffie winter zomer morgen muziek stem schoen school maan deur machine sjaal',
      'keuken trein sinaasappel buurman fles sleutel tante wolk lamp',
    ],
    het: [
      'huis raam boek paard kind brood water schip dorp glas lied eiland verhaal schaap',
      'kasteel station meisje mes bos',
    ],
    adj: [
      'oude jonge nieuwe kleine grote stille luide groene gele witte zwarte vrolijke warme koude snelle langzame schone zware lichte zachte sterke vroege late zoete open vreemde',
      'smalle blauwe beroemde hongerige voorzichtige kapotte treurige',
    ],
    verb: [
      'slaapt wacht zingt valt werkt loopt spreekt lacht groeit komt blijft reist zwemt luistert antwoordt begint gaat schijnt',
      'springt danst verdwijnt ademt fluistert',
    ],
    takes: [
      'ziet vindt koopt verkoopt schildert draagt opent volgt brengt zoekt kent wil bewaart toont',
      'wast bezoekt vergeet vangt schrijft',
    ],
    adv: [
      'vandaag weer langzaam snel hier daar altijd vaak alleen samen buiten vroeg thuis graag morgen',
      'gisteren zelden binnen dapper spoedig',
    ],
    num: ['twee drie vier vijf zes zeven negen tien veertig honderd', 'acht elf twaalf dertig'],
    plural: [
      'huizen bomen boeken brieven vogels paarden honden leraren appels stoelen schepen liedjes steden kinderen bloemen',
      'flessen sleutels lampen kastelen wolken',
    ],
    name: ['Anna Pieter Maria Jan Laura Thomas Helena Karel Suzanne Robert', 'Martha Joris Emma Willem'],
    hello: ['hallo bedankt welkom sorry', 'vaarwel luister'],
  },
  phrases: [
    'de {adj} {de} {verb} {adv}',
    'het {adj} {het} {verb} {adv}',
    'de {de} {verb} {adv}',
    '{name} {takes} {num} {plural}',
    '{name} {takes} de {adj} {de}',
    'mijn {de} {takes} het {het}',
    '{num} {adj} {plural}',
    '{hello}, {name} {verb} {adv}',
    'wie {takes} het {adj} {het}?',
    '{name} en {name} {takes} {plural}',
    '{adv} {verb} onze {adj} {de}',
    '{adj} {plural} en {adj} {plural}',
  ],
};
