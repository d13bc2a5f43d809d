import type { Grammar } from './grammar.js';

export const fr: Grammar = {
  words: {
    le: [
      'jardin livre pont chien chat cheval maître médecin frère père roi pain fromage café vent bateau soulier conte fleuve garçon soleil matin village vin',
      'château voisin train couteau miroir bois citron chapeau',
    ],
    la: [
      'maison fenêtre porte table chaise lettre ville rue montagne brebis maîtresse soeur mère reine pomme musique voix fleur fille nuit mer neige chanson',
      'cuisine lampe bouteille clé voisine forêt',
    ],
    lem: [
      'tranquille vert jaune blanc noir froid rapide lent propre lourd doux fort étrange ouvert chaud simple rouge profond rond calme',
      'étroit célèbre triste brisé prudent bleu',
    ],
    laf: [
      'tranquille verte jaune blanche noire froide rapide lente propre lourde douce forte étrange ouverte chaude simple rouge profonde ronde calme',
      'étroite célèbre triste brisée prudente bleue',
    ],
    verb: [
      'dort attend chante tombe travaille court parle rit grandit arrive revient voyage nage écoute répond commence marche brille',
      'saute danse respire murmure disparaît',
    ],
    takes: [
      'cherche trouve vend peint porte ouvre suit apporte connaît veut garde montre regarde prend',
      'lave visite oublie écrit reçoit',
    ],
    adv: [
      'encore lentement ici toujours souvent seul ensemble dehors demain bien tard jamais doucement',
      'hier dedans bientôt rarement partout',
    ],
    num: ['deux trois quatre cinq six sept neuf dix quarante cent', 'huit onze douze trente'],
    plural: [
      'maisons livres lettres chevaux chiens maîtres pommes chaises bateaux chansons villes garçons fleurs tables jardins',
      'bouteilles clés lampes châteaux nuages',
    ],
    name: ['Anne Pierre Marie Jean Laure Thomas Hélène Charles Suzanne Robert', 'Martin Georges Émilie Olivier'],
    hello: ['bonjour merci pardon bienvenue', 'salut adieu'],
  },
  phrases: [
    'le {le} {lem} {verb} {adv}',
    'la {la} {laf} {verb} {adv}',
    'ma {la} {verb} {adv}',
    '{name} {takes} {num} {plural}',
    '{name} {takes} la {la} {laf}',
    'le {le} {takes} une {la}',
    '{num} {plural} et {num} {plural}',
    '{hello}, {name} {verb} {adv}',
    'qui {takes} le {le} {lem}?',
    '{name} et {name} {adv}',
    'notre {la} {laf} {verb}',
    'mon {le} {verb} {adv}',
  ],
};
