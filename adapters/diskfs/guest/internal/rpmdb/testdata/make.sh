#!/usr/bin/env bash
# Makes the databases of this directory, and what rpm lists of them. Needs the
# packages rpm, db-util, python3 and zstd. Run it from anywhere.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
query='%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE} %{ARCH} %{SOURCERPM}\n'

# pack NAME VERSION EPOCH FILES
pack() {
	cat > "$1.spec" <<-END
		Name: $1
		Version: $2
		Release: 1.x
		$([ -z "$3" ] || echo "Epoch: $3")
		BuildArch: noarch
		Summary: $1
		License: MIT
		%description
		$1
		%install
		mkdir -p %{buildroot}/usr/share/$1
		for i in \$(seq 1 $4); do echo > %{buildroot}/usr/share/$1/file-with-a-long-name-\$i; done
		%files
		/usr/share/$1
		%package -n lib-$1
		Summary: a library
		%description -n lib-$1
		x
		%files -n lib-$1
	END
	rpmbuild --quiet -bb --define "_topdir $work/top" --define '_buildhost host' --define 'source_date_epoch_from_changelog 0' "$1.spec"
}
pack small 1.0 "" 1
pack middle 2.0~rc1 1 60
pack large 3.0 12 900
for i in $(seq 1 12); do pack "n$i" "$i" "" 0; done

rpm="rpm --define '_db_backend sqlite' --dbpath $work/db"
eval "$rpm" --initdb
eval "$rpm" -i --justdb --nodeps --ignorearch "$work"/top/RPMS/noarch/*.rpm 2>/dev/null
eval "$rpm" -e --justdb --nodeps n5 2>/dev/null
eval "$rpm" -qa --qf "'$query'" | sort > "$here/list.txt"

# The log holds what was done last: one package less, and one moved.
python3 - <<'END'
import shutil, sqlite3
shutil.copy('db/rpmdb.sqlite', 'rpmdb.sqlite')
c = sqlite3.connect('rpmdb.sqlite')
c.executescript('''
	delete from Name; delete from Basenames; delete from Requirename; delete from Providename; delete from Dirnames;
	delete from Installtid; delete from Sigmd5; delete from Sha1header;
''')
c.execute('pragma wal_checkpoint(truncate)')
c.execute('vacuum')
c.execute('pragma wal_checkpoint(truncate)')
c.execute('pragma wal_autocheckpoint = 0')
c.execute('delete from Packages where hnum = 3')
c.execute('insert into Packages select 1000, blob from Packages where length(blob) = (select max(length(blob)) from Packages)')
c.commit()
c.execute('delete from Packages where hnum = 1')
c.commit()
shutil.copy('rpmdb.sqlite-wal', 'whole.wal')
shutil.copy('rpmdb.sqlite', 'logged')
with open('db.dump', 'w') as f, sqlite3.connect('db/rpmdb.sqlite') as all:
    print('VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\nHEADER=END', file=f)
    print(' 00000000\n ff000000', file=f)
    for n, blob in all.execute('select hnum, blob from Packages'):
        print(' ' + n.to_bytes(4, 'little').hex() + '\n ' + blob.hex(), file=f)
    print('DATA=END', file=f)
END
db_load -f db.dump Packages
mkdir -p logged.d && cp logged logged.d/rpmdb.sqlite && cp whole.wal logged.d/rpmdb.sqlite-wal
eval "rpm --define '_db_backend sqlite' --dbpath $work/logged.d" -qa --qf "'$query'" | sort > "$here/list-logged.txt"
for f in Packages logged; do zstd -q -19 -f "$f" -o "$here/$f.zst"; done
zstd -q -19 -f whole.wal -o "$here/logged-wal.zst"
