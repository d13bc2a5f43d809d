import type { Grammar } from './grammar.js';

export const pl: Grammar = {
  words: {
    ten: [
      'dom ogród most pies kot koń nauczyciel lekarz brat ojciec przyjaciel chłopiec król chleb ser statek but ptak list stół wiatr las deszcz człowiek',
      'zamek sąsiad pociąg nóż kapelusz dziadek księżyc wąż',
    ],
    ta: [
      'rzeka ulica góra wyspa owca siostra matka dziewczyna królowa herbata muzyka szkoła książka lampa noc zima trawa piosenka ryba woda córka ziemia',
      'kuchnia butelka chmura sąsiadka gwiazda żaba',
    ],
    to: [
      'okno krzesło miasto dziecko jabłko mleko lato morze słońce światło pole drzewo',
      'jezioro lustro śniadanie zwierzę',
    ],
    masc: [
      'stary młody nowy mały duży cichy zielony żółty biały czarny wesoły zimny szybki czysty ciężki miękki silny słodki ciepły',
      'wąski sławny smutny głodny grzeczny',
    ],
    fem: [
      'stara młoda nowa mała duża cicha zielona żółta biała czarna wesoła zimna szybka czysta ciężka miękka silna słodka ciepła',
      'wąska sławna smutna głodna grzeczna',
    ],
    neut: [
      'stare młode nowe małe duże ciche zielone żółte białe czarne wesołe zimne szybkie czyste ciężkie miękkie silne słodkie ciepłe',
      'wąskie sławne smutne głodne grzeczne',
    ],
    verb: [
      'śpi czeka śpiewa pracuje biegnie mówi rośnie idzie wraca pływa słucha odpowiada zaczyna świeci siedzi',
      'skacze tańczy oddycha szepcze znika',
    ],
    takes: [
      'widzi kupuje sprzedaje maluje niesie otwiera bierze lubi zna pokazuje ma czyta',
      'myje odwiedza pisze łapie dostaje',
    ],
    adv: [
      'dzisiaj znowu powoli szybko tutaj zawsze często sam razem jutro dobrze późno nigdy wcześnie',
      'wczoraj rzadko blisko zaraz wszędzie',
    ],
    num: ['dwa trzy cztery pięć sześć siedem dziewięć dziesięć sto', 'osiem dwanaście trzydzieści jedenaście'],
    plural: [
      'domy książki listy ptaki konie psy jabłka krzesła statki piosenki miasta drzewa ryby góry',
      'butelki lustra zamki chmury gwiazdy',
    ],
    name: ['Anna Piotr Maria Jan Laura Tomasz Helena Karol Zuzanna Robert', 'Marta Jerzy Małgorzata Grzegorz'],
    hello: ['cześć dziękuję przepraszam proszę', 'żegnaj uważaj'],
  },
  phrases: [
    'ten {masc} {ten} {verb} {adv}',
    'ta {fem} {ta} {verb} {adv}',
    'to {neut} {to} {verb} {adv}',
    'moja {ta} {verb} {adv}',
    '{name} {takes} {num} {plural}',
    '{name} {takes} {neut} {to}',
    '{num} {plural} i {num} {plural}',
    '{hello}, {name} {verb} {adv}',
    'kto {takes} {neut} {to}?',
    '{name} i {name} {adv}',
    'nasza {fem} {ta} {verb}',
    'mój {ten} {takes} {plural}',
  ],
};
