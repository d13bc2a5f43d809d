import type { Grammar } from './grammar.js';

export const pt: Grammar = {
  words: {
    o: [
      'homem rio jardim livro cachorro gato cavalo professor médico irmão pai amigo menino rei pão queijo café inverno verão copo barco sapato conto pássaro sol vento',
      'castelo vizinho trem bosque caminho espelho avô chapéu',
    ],
    a: [
      'casa janela porta mesa cadeira carta cidade rua montanha ilha ovelha professora irmã mãe amiga menina rainha maçã manhã música voz escola flor ponte noite',
      'cozinha laranja lâmpada garrafa chave nuvem vizinha',
    ],
    mas: [
      'velho jovem novo pequeno grande tranquilo verde amarelo branco preto feliz frio rápido lento limpo pesado suave forte estranho doce aberto',
      'estreito famoso triste quebrado cuidadoso azul',
    ],
    fem: [
      'velha jovem nova pequena grande tranquila verde amarela branca preta feliz fria rápida lenta limpa pesada suave forte estranha doce aberta',
      'estreita famosa triste quebrada cuidadosa azul',
    ],
    verb: [
      'dorme espera canta cai trabalha corre fala ri cresce chega volta viaja nada escuta responde começa caminha brilha',
      'pula dança respira sussurra desaparece',
    ],
    takes: [
      'procura encontra compra vende pinta leva abre segue traz precisa conhece quer guarda mostra',
      'lava visita esquece escreve recebe',
    ],
    adv: [
      'hoje devagar aqui ali sempre sozinho juntos fora cedo amanhã nunca também bem tarde',
      'ontem dentro perto logo apenas',
    ],
    num: ['dois três quatro cinco seis sete nove dez quarenta cem', 'oito onze doze trinta'],
    plural: [
      'casas livros cartas pássaros cavalos cachorros professores maçãs cadeiras barcos canções cidades meninos flores irmãos',
      'garrafas chaves lâmpadas castelos nuvens',
    ],
    name: ['Ana Pedro Maria João Laura Tomás Helena Carlos Susana Roberto', 'Marta Jorge Emília Xavier'],
    hello: ['olá obrigado desculpe parabéns', 'adeus cuidado'],
  },
  phrases: [
    'o {o} {mas} {verb} {adv}',
    'a {a} {fem} {verb} {adv}',
    'minha {a} {verb} {adv}',
    '{name} {takes} {num} {plural}',
    '{name} {takes} a {a} {fem}',
    'o {o} {takes} uma {a}',
    '{num} {plural} e {num} {plural}',
    '{hello}, {name} {verb} {adv}',
    'quem {takes} o {o} {mas}?',
    '{name} e {name} {adv}',
    'nossa {a} {fem} {verb}',
    'meu {o} {verb} {adv}',
  ],
};
