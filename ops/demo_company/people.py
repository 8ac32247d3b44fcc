"""Who works at the demo company: made up, varied, and the same at every start."""

import random
from dataclasses import dataclass

from domain.foundation.access import Role
from domain.foundation.text_validation import name_key

FIRST_NAMES = (
    "Ada Aisha Alejandra Amara Anders Anneke Arjun Beatriz Bogdan Camille Carlos Chiara Chloé Daniela Dmitri Elif"
    " Emeka Emma Fatima Felix Finn Freya Gabriel Giulia Hana Henrik Hiro Ibrahim Ingrid Isabel Jakub Jamal Jana"
    " João Jonas Kateryna Kofi Lars Layla Leila Liam Linh Lucía Magnus Malik Marta Mateusz Mei Mila Nadia Naomi"
    " Noah Nora Olena Omar Oskar Paolo Priya Rafael Rosa Sanne Santiago Selma Sofia Stefan Sven Tamar Tereza"
    " Thandi Tomás Ulla Viktor Wanjiru Xenia Yara Yusuf Zofia Zoran"
)
LAST_NAMES = (
    "Abadi Achieng Almeida Andersson Bakker Baumann Benali Berg Bianchi Bondarenko Brandt Castillo Chen Çelik"
    " Cohen Dąbrowska Demir Diallo Dubois Dvořák Eriksen Fernández Ferrari Fischer Fontaine Forsberg García"
    " Georgiou Haddad Hansen Hashimoto Hoffmann Horvat Hughes Ivanova Jansen Jensen Kaya Keller Kowalski"
    " Kristensen Kumar Lefèvre Lehtinen Lindqvist Lombardi Mensah Meyer Moreau Müller Nakamura Navarro Nguyen"
    " Novák Nwosu O'Brien Okafor Olsen Owusu Papadopoulos Patel Pereira Petrov Quintero Ramírez Rossi Sato"
    " Schneider Silva Søndergaard Tanaka Tran Vega Visser Vogel Wagner Weber Wójcik Yılmaz Zhang Ziegler"
)

#: Job roles of each department, the more frequent ones several times.
JOB_ROLES = {
    "Production": ("Machine operator", "Machine operator", "Machine operator", "Shift supervisor", "Electrician"),
    "Logistics": ("Forklift driver", "Forklift driver", "Warehouse clerk", "Dispatcher"),
    "Research & Development": ("Developer", "Developer", "Mechanical engineer", "Lab technician"),
    "Sales": ("Account manager", "Account manager", "Sales assistant"),
    "Customer Service": ("Service agent", "Service agent", "Field technician"),
    "Human Resources": ("HR partner", "Recruiter"),
    "Finance": ("Accountant", "Accountant", "Controller"),
    "IT": ("Developer", "System administrator"),
}
#: Departments by how many work there.
DEPARTMENTS = (
    *("Production",) * 8,
    *("Logistics",) * 4,
    *("Research & Development",) * 4,
    *("Sales",) * 4,
    *("Customer Service",) * 3,
    *("Finance",) * 2,
    "Human Resources",
    "IT",
)
#: Sites with their countries.
SITES = {"Hamburg": "DE", "Leipzig": "DE", "Graz": "AT", "Lyon": "FR", "Brno": "CZ", "Porto": "PT"}
LEVELS = ("Trainee", "Junior", "Junior", "Senior", "Senior", "Senior", "Lead")
CONTRACTS = ("Permanent", "Permanent", "Permanent", "Permanent", "Fixed term", "Temporary")
#: Customers whose people learn here too, with what they have bought.
CLIENTS = {
    "Nordwind Retail": ("Basic", "Plus"),
    "Helios Energy": ("Basic", "Field service"),
    "Castellan Pharma": ("Compliance",),
}
GROUPS = ("First aiders", "Fire wardens", "New starters", "Works council")
REF_LABELS = ("Job role", "Country", "Site", "Level", "Contract")

DOMAIN = "acme.example"
ACCOUNTS = {
    Role.ADMIN: f"admin@{DOMAIN}",
    Role.TRAINER: f"trainer@{DOMAIN}",
    Role.LEARNER: f"learner@{DOMAIN}",
}


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody at the company, or at one of its clients."""

    external_id: str
    name: str
    email: str
    role: Role
    department: str | None
    client: str | None
    sublicense: str | None
    refs: tuple[str, ...]
    groups: tuple[str, ...]


def demo_people(employees: int = 250, guests: int = 50) -> list[DemoPerson]:
    """Return everybody; the first three are those of `ACCOUNTS`."""
    # Not for secrets: the point is that everybody gets the same people.
    dice = random.Random("Acme Industries")
    names = [f"{first} {last}" for first in FIRST_NAMES.split() for last in LAST_NAMES.split()]
    chosen = dice.sample(names, employees + guests)
    people = []
    for number, name in enumerate(chosen):
        special = list(ACCOUNTS)[number] if number < len(ACCOUNTS) else None
        role = special or (Role.TRAINER if number < 12 else Role.ADMIN if number < 14 else Role.LEARNER)
        is_guest = number >= employees
        people.append(_person(dice, 1_001 + number, name, role, special, is_guest=is_guest))
    return people


def _person(
    dice: random.Random, number: int, name: str, role: Role, account: Role | None, *, is_guest: bool
) -> DemoPerson:
    site = dice.choice(list(SITES))
    client = dice.choice(list(CLIENTS)) if is_guest else None
    department = None if is_guest else dice.choice(DEPARTMENTS)
    job_role = dice.choice(JOB_ROLES[department]) if department else "Customer"
    level, contract = dice.choice(LEVELS), dice.choice(CONTRACTS)
    groups = tuple(group for group in GROUPS if not is_guest and dice.random() < 0.1)
    return DemoPerson(
        external_id=f"A-{number}",
        name=name,
        email=ACCOUNTS[account] if account else _email(name, number),
        role=role,
        department=department,
        client=client,
        sublicense=dice.choice(CLIENTS[client]) if client else None,
        refs=(job_role, SITES[site], site, level, contract),
        groups=groups,
    )


def _email(name: str, number: int) -> str:
    plain = name_key(name).replace(" ", ".").replace("'", "")
    return f"{plain if plain.isascii() else f'person.{number}'}@{DOMAIN}"
