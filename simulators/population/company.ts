/** What every simulated company is made of: departments with their titles, and places. */

export type Department = {
  readonly name: string;
  readonly division: string;
  readonly costCenter: string;
  readonly titles: readonly [string, string, ...string[]];
  /** How many in a hundred work here. */
  readonly share: number;
};

function department(
  name: string,
  division: string,
  share: number,
  ...titles: [string, string, ...string[]]
): Department {
  return { name, division, costCenter: `CC-${name.length}${share}${name.charCodeAt(0)}`, share, titles };
}

export const departments: readonly [Department, ...Department[]] = [
  department(
    'Engineering',
    'Product',
    24,
    'Software Engineer',
    'Senior Software Engineer',
    'Staff Engineer',
    'Engineering Lead',
  ),
  department(
    'Sales',
    'Market',
    14,
    'Sales Representative',
    'Account Executive',
    'Regional Sales Lead',
    'Sales Engineer',
  ),
  department('Customer Support', 'Market', 12, 'Support Agent', 'Senior Support Agent', 'Support Lead'),
  department('Operations', 'Delivery', 11, 'Operations Analyst', 'Logistics Coordinator', 'Operations Lead'),
  department('Marketing', 'Market', 7, 'Marketing Specialist', 'Content Editor', 'Campaign Lead'),
  department('Finance', 'Corporate', 6, 'Accountant', 'Controller', 'Finance Lead'),
  department('Human Resources', 'Corporate', 5, 'Recruiter', 'People Partner', 'People Lead'),
  department('Information Technology', 'Delivery', 5, 'System Administrator', 'Network Engineer', 'IT Lead'),
  department('Quality & Safety', 'Delivery', 4, 'Quality Analyst', 'Safety Officer', 'Quality Lead'),
  department('Research', 'Product', 4, 'Research Associate', 'Research Scientist', 'Principal Scientist'),
  department('Design', 'Product', 3, 'Product Designer', 'Senior Product Designer', 'Design Lead'),
  department('Legal', 'Corporate', 2, 'Paralegal', 'Counsel', 'Senior Counsel'),
  department('Procurement', 'Corporate', 2, 'Buyer', 'Senior Buyer', 'Procurement Lead'),
  department('Facilities', 'Delivery', 1, 'Facilities Technician', 'Facilities Lead'),
];

export type Site = {
  readonly city: string;
  readonly state: string | null;
  readonly country: string;
  readonly countryCode: string;
  readonly locale: string;
  readonly timeZone: string;
  readonly dial: string;
};

function site(
  city: string,
  state: string | null,
  country: string,
  countryCode: string,
  locale: string,
  timeZone: string,
  dial: string,
): Site {
  return { city, state, country, countryCode, locale, timeZone, dial };
}

export const sites: readonly [Site, ...Site[]] = [
  site('Berlin', null, 'Germany', 'DE', 'de-DE', 'Europe/Berlin', '+49 30 5550'),
  site('London', null, 'United Kingdom', 'GB', 'en-GB', 'Europe/London', '+44 20 7946'),
  site('Paris', null, 'France', 'FR', 'fr-FR', 'Europe/Paris', '+33 1 9900'),
  site('Kraków', null, 'Poland', 'PL', 'pl-PL', 'Europe/Warsaw', '+48 12 5550'),
  site('Seattle', 'WA', 'United States', 'US', 'en-US', 'America/Los_Angeles', '+1 206 555'),
  site('São Paulo', 'SP', 'Brazil', 'BR', 'pt-BR', 'America/Sao_Paulo', '+55 11 5550'),
  site('Nairobi', null, 'Kenya', 'KE', 'en-KE', 'Africa/Nairobi', '+254 20 5550'),
  site('Bengaluru', 'KA', 'India', 'IN', 'en-IN', 'Asia/Kolkata', '+91 80 5550'),
  site('Ōsaka', null, 'Japan', 'JP', 'ja-JP', 'Asia/Tokyo', '+81 6 5550'),
  site('İzmir', null, 'Türkiye', 'TR', 'tr-TR', 'Europe/Istanbul', '+90 232 555'),
];

export const departmentAt = (index: number): Department => departments[index] ?? departments[0];
export const siteAt = (index: number): Site => sites[index] ?? sites[0];
