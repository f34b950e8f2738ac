"""Made-up guests of many tongues; no list of real people was read for it."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass
from typing import Final

# Language tag, nationality, first names, family names: each common in its tongue.
PEOPLE: Final[tuple[tuple[str, str, str, str], ...]] = (
    (
        "en-GB",
        "GB",
        "Alice Oliver Grace Harry Isla Jack",
        "Smith Taylor Wright Hughes Fitzgerald-Moore",
    ),
    ("en-IE", "IE", "Aoife Cian Niamh Sean", "O'Neil O'Brien Murphy Ní_Dhomhnaill"),
    ("en-US", "US", "Emma Noah Ava James", "Johnson Miller Davis Washington"),
    ("es-ES", "ES", "Lucía Hugo Martina Mateo", "García-López Fernández Muñoz Núñez Ibáñez"),
    ("pt-PT", "PT", "Inês João Matilde Tomás", "Silva Gonçalves Conceição Simões da_Costa"),
    ("fr-FR", "FR", "Chloé Léo Zoé Raphaël", "Lefèvre d'Aubigné Dubois Garçon Saint-Clair"),
    ("de-DE", "DE", "Jürgen Anneliese Lukas Greta", "Müller Weiß Schröder von_der_Heide"),
    ("it-IT", "IT", "Giulia Niccolò Chiara Matteo", "Rossi D'Angelo Esposito De_Luca"),
    ("nl-NL", "NL", "Sanne Daan Femke Joost", "de_Vries van_den_Berg 't_Hart Jansen"),
    ("sv-SE", "SE", "Åsa Björn Elin Örjan", "Lindström Åkesson Sjöberg"),
    ("pl-PL", "PL", "Małgorzata Paweł Zofia Łukasz", "Wójcik Kowalska Zieliński"),
    ("cs-CZ", "CZ", "Kateřina Jiří Žofie", "Dvořák Novotná Říha"),
    ("tr-TR", "TR", "Ayşe İsmail Gül Çağlar", "Yılmaz Öztürk Şahin"),  # noqa: RUF001 - Turkish has a dotless i
    ("el-GR", "GR", "Eleni Giorgos Ioanna", "Papadopoulos Nikolaou"),
    ("ar-EG", "EG", "Fatima Omar Layla Youssef", "Hassan El-Sayed Mansour"),
    ("he-IL", "IL", "Noa Itai Yael", "Levi Cohen Ben-David"),
    ("hi-IN", "IN", "Ananya Rohan Priya Arjun", "Sharma Iyer Mukherjee"),
    ("zh-CN", "CN", "Wei Xiaoming Li Fang", "Wang Zhang Ouyang Lü"),
    ("ja-JP", "JP", "Haruka Kenta Yui Shō", "Satō Suzuki Ōno"),
    ("ko-KR", "KR", "Minjun Seo-yeon Jiho", "Kim Lee Park"),
    ("vi-VN", "VN", "Linh Minh Hương", "Nguyễn Trần"),
    ("yo-NG", "NG", "Adébáyọ̀ Folake Tunde", "Okonkwo Adeyemi"),
    ("pt-BR", "BR", "Thiago Larissa Caio", "Souza Araújo dos_Santos"),
    ("mi-NZ", "NZ", "Aroha Tāne", "Ngata Te_Rangi"),
)

# One guest in so many shares first and family name with an earlier guest.
NAMESAKE_EVERY: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A person nobody is."""

    first_name: str
    last_name: str
    email: str
    nationality: str
    language: str


class Guests:
    """An endless queue of guests from one seed; now and then a namesake comes."""

    def __init__(self, source: random.Random) -> None:
        self._random = source
        self._met: list[Guest] = []

    def next(self) -> Guest:
        """The next guest."""
        number = len(self._met) + 1
        if self._met and self._random.randrange(NAMESAKE_EVERY) == 0:
            twin = self._random.choice(self._met)
            first, last = twin.first_name, twin.last_name
            nationality, language = twin.nationality, twin.language
        else:
            language, nationality, firsts, lasts = self._random.choice(PEOPLE)
            first = self._random.choice(firsts.split(" "))
            last = self._random.choice(lasts.split(" ")).replace("_", " ")
        guest = Guest(
            first_name=first,
            last_name=last,
            email=f"{_ascii(first)}.{_ascii(last)}.{number}@example.com",
            nationality=nationality,
            language=language,
        )
        self._met.append(guest)
        return guest


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold().replace("ł", "l").replace("ß", "ss"))
    return "".join(letter for letter in plain if letter.isascii() and letter.isalnum()) or "guest"
