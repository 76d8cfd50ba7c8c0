/**
 * Made-up people's names from many places: accents, apostrophes, blanks, hyphens and scripts without a Latin letter, because a
 * directory has all of them. `|` separates a name from its spelling in addresses where that cannot be derived.
 */
type Culture = { readonly given: string; readonly family: string };

const cultures: readonly Culture[] = [
  {
    given:
      'Amelia,Oliver,Isla,Harry,Poppy,Jack,Freya,Alfie,Imogen,Rory,Niamh,Declan,Saoirse,Cillian,Gwen,Rhys',
    family:
      "Whitaker,Ashworth,Holloway,Pemberton,Thackeray,O'Connor,O'Brien,MacLeod,McAllister,Griffiths,Llewellyn,Fairbanks,Hargreaves,Lockwood,Redmond,Sinclair,Winslow,Barrow,Yates,Smith",
  },
  {
    given:
      'Lena,Jonas,Mia,Felix,Jürgen,Käthe,Björn,Anneliese,Götz,Ulrike,Matthias,Sabine,Lukas,Wiebke,Thorsten,Grit',
    family:
      'Müller,Schröder,Weiß,Köhler,Jäger,Böhm,Krüger,Voigt,Lindner,Hartmann,Brandt,Ziegler,Großmann,Pfeiffer,Engelhardt,von Stetten,Seidel,Busch,Kühn,Meyer-Lüders',
  },
  {
    given:
      'Élodie,Hugo,Chloé,Théo,Zoé,Rémi,Anaïs,Jean-Luc,Marie-Claire,Benoît,Océane,François,Agnès,Gaël,Noémie,Loïc',
    family:
      "Lefèvre,Dubois,Béranger,Garnier,Moreau,Châtelain,D'Aubigny,Rousseau,Delacroix,Fournier,Mercier,Gauthier,Lemaître,Perrin,Renaud,de La Tour,Vasseur,Blanchard,Collet,Tessier",
  },
  {
    given:
      'Lucía,Mateo,Sofía,Ángel,Íñigo,Begoña,José,María José,Ximena,Joaquín,Inés,Andrés,Núria,Álvaro,Rocío,Tomás',
    family:
      'Fernández,García Márquez,Núñez,Ibáñez,Ortega,de la Cruz,Zamora,Echeverría,Peña,Quiroga,Valdés,Castellanos,Montoya,Arrieta,Saavedra,Muñoz,Rivas,Ugarte,Cárdenas,Olmedo',
  },
  {
    given:
      'João,Beatriz,Tiago,Inácia,Gonçalo,Conceição,Rafaela,Caio,Thaís,Otávio,Luíza,Vinícius,Mariana,Davi,Flávia,Simão',
    family:
      'Silva,Gonçalves,Araújo,Magalhães,Brandão,dos Santos,Moreira,Sequeira,Falcão,Barbosa,Nóbrega,Teixeira,Vasconcelos,Peixoto,Guimarães,Lobo,Carvalho,Meireles,Antunes,Prado',
  },
  {
    given:
      'Astrid,Søren,Åsa,Håkon,Øyvind,Ingrid,Mikkel,Sigrún,Þórður,Linnéa,Gösta,Aino,Väinö,Eero,Maarit,Solveig',
    family:
      'Lindqvist,Sørensen,Håkansson,Øvergård,Bjørnstad,Nyström,Kjær,Ægirsson,Guðmundsdóttir,Lönnrot,Mäkinen,Virtanen,Dahlgren,Åkerlund,Holmgaard,Rasmussen,Ekström,Thorsen,Korhonen,Berglund',
  },
  {
    given:
      'Łukasz,Agnieszka,Zofia,Wojciech,Małgorzata,Jiří,Ludmila,Žofie,Ondřej,Šárka,Ľubomír,Zuzana,Dragan,Đurđica,Nikola,Živa',
    family:
      'Kowalczyk,Wójcik,Dąbrowska,Szczęsny,Żukowski,Novák,Dvořáková,Růžička,Čapek,Šimůnek,Horváth,Kovačević,Đorđević,Petrović,Žagar,Krajíček,Bílek,Łaska,Hruška,Sokol',
  },
  {
    given:
      'Ayşe,Emre,Işıl,Çağlar,Gülşah,Oğuz,Ümit,Şule,Kerem,İpek|ipek,Zeynep,Barış,Defne,Tuğba,Volkan,Yiğit',
    family:
      'Yılmaz,Çelik,Şahin,Öztürk,Kılıç,Aydın,Güneş,Koç,Doğan,Işık,Erdoğdu,Taşkın,Bozkurt,Uçar,Gökçe,Ünal,Sağlam,Karaca,Demirel,Akın',
  },
  {
    given:
      'Юлия|yuliya,Олег|oleg,Світлана|svitlana,Ελένη|eleni,Νίκος|nikos,Дмитрий|dmitriy,Katerina,Andriy,Yelena,Stavros,Tamar,Giorgi,Anahit,Vardan,Ivanka,Bogdan',
    family:
      'Смирнова|smirnova,Коваленко|kovalenko,Παπαδοπούλου|papadopoulou,Волков|volkov,Ivanova,Shevchenko,Economou,Karras,Beridze,Gelashvili,Petrosyan,Sargsyan,Dimitrov,Todorova,Popescu,Ionescu,Melnyk,Bondarenko,Lazarou,Antonescu',
  },
  {
    given:
      'Ahmad,Fatima,Youssef,Layla,أحمد|ahmed,نور|nour,Khalid,Zahra,Omar,Rania,Darius,Parisa,Navid,Shirin,Tariq,Salma',
    family:
      'Al-Masri,Haddad,El Amrani,Benali,خليل|khalil,Nasser,Rahmani,Farahani,Qureshi,Siddiqui,Bakkali,Mansour,Al-Rashid,Tehrani,Hosseini,Zaidi,Bouazza,Karimi,Saleh,Darwish',
  },
  {
    given:
      'Priya,Arjun,Ananya,Vikram,Lakshmi,Rohan,Kavya,Sanjay,Meera,Aditya,Nisha,Harpreet,Gurpreet,Tenzin,Dilini,Rahul',
    family:
      'Sharma,Iyer,Subramaniam,Chatterjee,Banerjee,Patel,Reddy,Nair,Kulkarni,Singh,Kaur,Gill,Perera,Jayawardena,Mukherjee,Deshpande,Bhattacharya,Menon,Rao,Thapa',
  },
  {
    given:
      '美咲|misaki,大輔|daisuke,Haruto,Yui,秀英|xiuying,伟|wei,Mei-Ling,Jun,민준|minjun,서연|seoyeon,Ji-woo,Hana,Nguyệt,Đức,Thảo,Minh',
    family:
      '田中|tanaka,佐藤|sato,Kobayashi,Yamamoto,王|wang,张|zhang,Chen,Lin,김|kim,박|park,Choi,Jung,Nguyễn,Trần,Phạm,Đặng,Ōtsuka,Nakagawa,Liu,Huang',
  },
  {
    given:
      'Chinedu,Ngozi,Kwame,Abena,Tendai,Thandiwe,Sipho,Wanjiru,Kofi,Amina,Oluwaseun,Ifeoma,Mandla,Zuri,Babajide,Nomvula',
    family:
      "Okafor,Adeyemi,Mensah,Boateng,Moyo,Dlamini,Nkosi,Wanjala,N'Diaye,Diop,Eze,Achebe,Mthembu,Kamau,Otieno,Sesay,Traoré,Kone,Abiodun,Mbeki",
  },
  {
    given:
      'Sven,Femke,Bram,Sanne,Joost,Marieke,Giulia,Niccolò,Matteo,Chiara,Renzo,Ilaria,Koen,Lotte,Davide,Fiorella',
    family:
      "van der Berg,de Vries,van 't Hof,ter Horst,IJsselstein,Janssens,De Smet,Rossi,Bianchi,D'Angelo,Di Marco,Ferraro,Esposito,Lombardi,Dell'Orto,Vermeulen,Kuipers,Hendriks,Bellini,Ricci",
  },
];

export type Name = { readonly display: string; readonly slug: string; readonly json: string };

const withoutMark: Readonly<Record<string, string>> = {
  ł: 'l',
  ø: 'o',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  æ: 'ae',
  œ: 'oe',
  ß: 'ss',
  ı: 'i',
};

/** `Müller` to `muller`, `van der Berg` to `vanderberg`: what stands in an address. */
function slugOf(name: string): string {
  const plain = name.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '');
  return [...plain]
    .map((letter) => withoutMark[letter] ?? letter)
    .join('')
    .replace(/[^a-z-]/g, '');
}

function named(entry: string): Name {
  const [display = entry, spelling] = entry.split('|');
  // The inner part of a JSON string: page rendering only joins such parts.
  return { display, slug: spelling ?? slugOf(display), json: JSON.stringify(display).slice(1, -1) };
}

type Table = { readonly names: readonly Name[]; readonly startOf: readonly number[] };

function tableOf(part: keyof Culture): Table {
  const names: Name[] = [];
  const startOf: number[] = [];
  for (const culture of cultures) {
    startOf.push(names.length);
    names.push(...culture[part].split(',').map(named));
  }
  startOf.push(names.length);
  return { names, startOf };
}

export const givenNames = tableOf('given');
export const familyNames = tableOf('family');
export const cultureCount = cultures.length;

const nobody: Name = { display: '', slug: 'x', json: '' };
export const given = (index: number): Name => givenNames.names[index] ?? nobody;
export const family = (index: number): Name => familyNames.names[index] ?? nobody;
