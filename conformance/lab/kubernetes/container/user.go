package container

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// FindUser gives the user that a text such as `65532`, `nobody` or `app:app` names by a root folder's passwd and group files. A user
// without a group has that of passwd, else 0.
func FindUser(root, text string) (User, error) {
	name, group, hasGroup := strings.Cut(text, ":")
	user := User{}
	if name != "" {
		uid, fields, err := look(Resolve(root, "/etc/passwd"), name)
		if err != nil {
			return user, fmt.Errorf("user %s: %w", name, err)
		}
		user.Uid = uid
		if len(fields) > 3 {
			user.Gid, _ = strconv.Atoi(fields[3])
		}
	}
	if hasGroup {
		gid, _, err := look(Resolve(root, "/etc/group"), group)
		if err != nil {
			return user, fmt.Errorf("group %s: %w", group, err)
		}
		user.Gid = gid
	}
	return user, nil
}

// HomeOf gives a user's home folder by a root folder's passwd file.
func HomeOf(root string, uid int) string {
	if _, fields, err := look(Resolve(root, "/etc/passwd"), strconv.Itoa(uid)); err == nil && len(fields) > 5 {
		return fields[5]
	}
	return "/"
}

// GroupsOf adds to groups those that a user is a member of by a root folder's group file.
func GroupsOf(root string, user User, groups []int64) []int {
	all := []int{user.Gid}
	for _, group := range groups {
		all = append(all, int(group))
	}
	_, fields, err := look(Resolve(root, "/etc/passwd"), strconv.Itoa(user.Uid))
	if err == nil && len(fields) > 0 {
		lines(Resolve(root, "/etc/group"), func(group []string) bool {
			if len(group) > 3 && slices.Contains(strings.Split(group[3], ","), fields[0]) {
				if gid, err := strconv.Atoi(group[2]); err == nil {
					all = append(all, gid)
				}
			}
			return false
		})
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// look finds a name or number in a file like passwd. A number needs no line.
func look(file, name string) (number int, fields []string, err error) {
	number, notNumber := strconv.Atoi(name)
	lines(file, func(candidate []string) bool {
		if len(candidate) < 3 || candidate[0] != name && candidate[2] != name {
			return false
		}
		fields = candidate
		return true
	})
	if fields != nil {
		number, err = strconv.Atoi(fields[2])
		return number, fields, err
	}
	return number, nil, notNumber
}

func lines(file string, isLast func(fields []string) bool) {
	content, err := os.Open(file)
	if err != nil {
		return
	}
	defer content.Close()
	for scanner := bufio.NewScanner(content); scanner.Scan(); {
		if isLast(strings.Split(scanner.Text(), ":")) {
			return
		}
	}
}
