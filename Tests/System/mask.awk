# SPDX-License-Identifier: Apache-2.0
# Takes out of a dump by `xenstore-ls -fp` what differs from boot to boot: usage
#     awk -f mask.awk DUMP DUMP | LC_ALL=C sort
# The first pass finds the guests and numbers them G1, G2, ... by domid; the second rewrites.
# What says something about the daemon or the devices (states, modes, permissions) stays.

function see(id) { if (id + 0 > 0) seen[id + 0] = 1 }

# collect TEXT PREFIX: all domids that follow the prefix, a regular expression, in the text.
function collect(text, prefix) {
    while (match(text, prefix "[0-9]+")) {
        found = substr(text, RSTART, RLENGTH)
        sub(/.*[^0-9]/, "", found)
        see(found)
        text = substr(text, RSTART + RLENGTH)
    }
}

# rename TEXT PREFIX: those domids by the guests' names.
function rename(text, prefix,    out, head, id) {
    out = ""
    while (match(text, prefix "[0-9]+")) {
        head = id = substr(text, RSTART, RLENGTH)
        sub(/.*[^0-9]/, "", id)
        sub(/[0-9]+$/, "", head)
        out = out substr(text, 1, RSTART - 1) head ((id in name) ? name[id] : id)
        text = substr(text, RSTART + RLENGTH)
    }
    return out text
}

function number_guests(    id, count, highest) {
    for (id in seen) if (id + 0 > highest) highest = id + 0
    for (id = 1; id <= highest; id++) if (id in seen) name[id] = "G" ++count
}

BEGIN {
    in_path = "/local/domain/|/libxl/|/backend/[a-z_]+/|^hello from |^vif"
    in_path = "(" in_path ")"
    in_permissions = "[nrwb]"
    hex = "[0-9a-f]"
    hex4 = hex hex hex hex
    uuid = hex4 hex4 "-" hex4 "-" hex4 "-" hex4 "-" hex4 hex4 hex4
}

{
    # /path = "value"   (permissions)
    path = $0; sub(/ = ".*/, "", path)
    permissions = $0; sub(/.*"   /, "", permissions)
    value = substr($0, length(path) + 5, length($0) - length(path) - length(permissions) - 8)
    key = path; sub(/.*\//, "", key)
}

NR == FNR {
    collect(path, in_path)
    collect(permissions, in_permissions)
    if (path ~ /^\/local\/domain\/[0-9]+\/vm$/) {
        split(path, part, "/")
        owner[substr(value, 5)] = part[4]
    }
    next
}

FNR == 1 { number_guests() }

{
    # A guest's uuid is named after it.
    if (match($0, uuid)) {
        id = substr($0, RSTART, RLENGTH)
        mark = (id in owner && owner[id] in name) ? "uuid-" name[owner[id]] : "uuid"
        gsub(uuid, mark, path)
        gsub(uuid, mark, value)
    }
    path = rename(path, in_path)
    permissions = rename(permissions, in_permissions)
    value = rename(value, in_path)
    if (key ~ /^(domid|frontend-id)$/ && value in name) value = name[value]
    if (key ~ /^(port|ring-ref|(tx|rx)-ring-ref|event-channel(-tx|-rx)?|start_time)$/ && value != "") value = "N"
    if (key == "tty") sub(/[0-9]+$/, "N", value)
    printf "%s = \"%s\"   %s\n", path, value, permissions
}
