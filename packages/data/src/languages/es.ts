import type { Grammar } from './grammar.js';

export const es: Grammar = {
  words: {
    el: [
      'hombre árbol río jardín libro puente perro gato caballo maestro médico hermano padre amigo niño rey pan queso café invierno verano vaso barco zapato cuento pájaro',
      'castillo vecino tren pueblo bosque cuchillo espejo abuelo',
    ],
    la: [
      'casa ventana puerta mesa silla carta ciudad calle montaña isla oveja maestra hermana madre amiga niña reina manzana leche mañana música voz escuela flor yegua raya',
      'cocina naranja lámpara botella llave nube vecina',
    ],
    lo: [
      'viejo joven nuevo pequeño grande tranquilo verde amarillo blanco negro feliz frío rápido lento limpio pesado suave fuerte extraño dulce abierto',
      'estrecho famoso triste roto cuidadoso azul',
    ],
    fem: [
      'vieja joven nueva pequeña grande tranquila verde amarilla blanca negra feliz fría rápida lenta limpia pesada suave fuerte extraña dulce abierta',
      'estrecha famosa triste rota cuidadosa azul',
    ],
    verb: [
      'duerme espera canta cae trabaja corre habla ríe crece llega vuelve viaja nada escucha responde empieza camina brilla',
      'salta baila respira susurra desaparece',
    ],
    takes: [
      'busca encuentra compra vende pinta lleva abre sigue trae necesita conoce quiere guarda muestra',
      'lava visita olvida escribe recibe',
    ],
    adv: [
      'hoy despacio aquí allí siempre solo juntos fuera temprano mañana nunca también bien tarde',
      'ayer dentro cerca pronto apenas',
    ],
    num: ['dos tres cuatro cinco seis siete nueve diez cuarenta cien', 'ocho once doce treinta'],
    plural: [
      'casas árboles libros cartas pájaros caballos perros maestros manzanas sillas barcos canciones ciudades niños flores',
      'botellas llaves lámparas castillos nubes',
    ],
    name: ['Ana Pedro María Juan Laura Tomás Elena Carlos Susana Roberto', 'Marta Jorge Emilia Javier'],
    hello: ['hola gracias perdón bienvenido', 'adiós oye'],
  },
  phrases: [
    'el {el} {lo} {verb} {adv}',
    'la {la} {fem} {verb} {adv}',
    'mi {la} {verb} {adv}',
    '{name} {takes} {num} {plural}',
    '{name} {takes} la {la} {fem}',
    'el {el} {takes} una {la}',
    '{num} {plural} y {num} {plural}',
    '{hello}, {name} {verb} {adv}',
    '¿quién {takes} el {el} {lo}?',
    '{name} y {name} {adv}',
    'nuestra {la} {fem} {verb}',
    '{adv} {verb} el {el}',
  ],
};
